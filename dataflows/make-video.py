"""Makes the small video that camera.yml reads.

`python make-video.py [FILE] [SECONDS]` writes FILE (default: `video.avi`) with SECONDS (default: 3) of pictures of
320x240, 30 per second. The codec is lossless, so every reader gets the same pixels. It needs OpenCV
(`opencv-python-headless`).
"""

import sys

import cv2
import numpy as np

RATE, HEIGHT, WIDTH = 30, 240, 320


def picture(index: int) -> np.ndarray:
    """A moving gradient with a bar code of the picture's number along the top."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    frame = np.stack([x + 3 * index, y + 5 * index, x + y + 7 * index], axis=-1).astype(np.uint8)
    for bit in range(8):
        frame[:16, bit * 16 : bit * 16 + 16] = 255 if index >> bit & 1 else 0
    return frame


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else "video.avi"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    video = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"FFV1"), RATE, (WIDTH, HEIGHT))
    if not video.isOpened():
        sys.exit(f"cannot write {path}: this OpenCV has no FFV1 encoder")
    for index in range(round(RATE * seconds)):
        video.write(picture(index))
    video.release()


if __name__ == "__main__":
    main()
