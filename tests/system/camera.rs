//! Pictures of a published camera node.

use dora_shm_ring::{Attr, Dtype};
use dora_shm_tests::dora::{complete, project_graph};
use dora_shm_tests::programs::{dora, path_with, python, root};
use dora_shm_tests::reading::{message_reader, messages_until_closed};
use dora_shm_tests::stage::Stage;

const WIDTH: u64 = 320;
const HEIGHT: u64 = 240;
const PICTURES: usize = 90;

/// A program that writes all pixels of a video, as OpenCV decodes them, to a file.
const DECODE: &str = "
import sys, cv2
video, out = cv2.VideoCapture(sys.argv[1]), open(sys.argv[2], 'wb')
while True:
    whole, picture = video.read()
    if not whole:
        break
    out.write(picture.tobytes())
";

#[test]
#[ignore = "needs the dora command line and a published node: cargo xtask system"]
fn every_picture_of_a_published_camera_node_arrives_pixel_for_pixel() {
    let stage = Stage::new("camera");
    let stream = stage.stream("camera");
    stage.start("video", stage.command(python()).arg(root().join("dataflows/make-video.py"))).succeed().unwrap();
    stage.start("decode", stage.command(python()).args(["-c", DECODE, "video.avi", "pixels"])).succeed().unwrap();
    let pixels = std::fs::read(stage.folder().join("pixels")).expect("the decoded video");
    let picture_bytes = (WIDTH * HEIGHT * 3) as usize;
    assert_eq!(pixels.len(), PICTURES * picture_bytes, "the video that the script makes");

    let mut reader = message_reader(&stream);
    let graph = project_graph("camera.yml", &[("SHMEM_NAME: camera", &format!("SHMEM_NAME: {stream}"))]);
    let path = stage.file("camera.yml", &complete(&graph));
    let nodes = python().parent().expect("a Python is in a folder").to_owned();
    let mut graph = stage.start("camera", stage.command(dora()).arg("run").arg(path).env("PATH", path_with(&nodes)));

    let received = messages_until_closed(&mut reader);
    for (index, (picture, expected)) in received.iter().zip(pixels.chunks(picture_bytes)).enumerate() {
        assert_eq!(picture.format.dtype(), Dtype::U8);
        assert_eq!(picture.format.frame_shape(), [HEIGHT, WIDTH, 3]);
        assert_eq!((picture.info.frames, picture.info.lost), (1, 0), "picture {index}");
        let description = picture.description.as_ref().expect("a description");
        assert_eq!(description.dims, ["time", "y", "x", "c"]);
        assert_eq!(description.attrs.get("encoding"), Some(&Attr::String("bgr8".into())));
        assert_eq!(description.attrs.get("_picture"), Some(&Attr::String("bgr".into())));
        assert!(picture.samples == expected, "picture {index} differs from the video's");
    }
    assert_eq!(received.len(), PICTURES);
    // The node raises an error at the end of its file, so dora reports that the graph failed.
    assert!(!graph.wait().unwrap().success());
}
