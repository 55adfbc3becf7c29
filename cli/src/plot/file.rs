//! The file that a plot becomes.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use eyre::{OptionExt as _, WrapErr as _, bail};
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg;

use crate::drawing::picture::Pixels;

/// The format that the file's name selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Png,
    Svg,
}

impl Kind {
    /// # Errors
    /// If the name ends in something else.
    pub fn of(path: &Path) -> eyre::Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("png") => Ok(Self::Png),
            Some("svg") => Ok(Self::Svg),
            Some(other) => bail!("a plot is a PNG or SVG file, not {other:?}; use a name that ends in .png or .svg"),
            None => bail!("{path:?} has no extension that selects PNG or SVG; use a name that ends in .png or .svg"),
        }
    }
}

/// A drawing as the file's bytes.
///
/// # Errors
/// None that a user can cause.
pub fn of_svg(svg: String, kind: Kind, scale: f32) -> eyre::Result<Vec<u8>> {
    if kind == Kind::Svg {
        return Ok(svg.into_bytes());
    }
    let mut options = usvg::Options::default();
    // The system's fonts are not used, so that the picture is the same everywhere.
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_font_data(epaint_default_fonts::HACK_REGULAR.to_vec());
    let family = fonts.faces().next().and_then(|face| face.families.first()).map(|(family, _)| family.clone());
    fonts.set_sans_serif_family(family.ok_or_eyre("the font cannot be read")?);
    let tree = usvg::Tree::from_str(&svg, &options).wrap_err("cannot read the drawing")?;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_eyre("the picture would be empty")?;
    let mut pixmap = Pixmap::new(size.width(), size.height())
        .ok_or_eyre("the picture would be too large; choose a smaller --size")?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().wrap_err("cannot encode a PNG")
}

/// A picture as the file's bytes.
///
/// # Errors
/// None that a user can cause.
pub fn of_pixels(pixels: &Pixels, kind: Kind) -> eyre::Result<Vec<u8>> {
    let (width, height) = (pixels.width as u32, pixels.height as u32);
    let mut pixmap =
        Pixmap::new(width, height).ok_or_eyre("the picture would be too large; choose a smaller --size")?;
    for (pixel, [r, g, b]) in pixmap.pixels_mut().iter_mut().zip(&pixels.rgb) {
        *pixel = PremultipliedColorU8::from_rgba(*r, *g, *b, 255).ok_or_eyre("a colour without transparency")?;
    }
    let png = pixmap.encode_png().wrap_err("cannot encode a PNG")?;
    if kind == Kind::Png {
        return Ok(png);
    }
    let data = base64::engine::general_purpose::STANDARD.encode(&png);
    Ok(format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n<image width=\"{width}\" height=\"{height}\" \
         href=\"data:image/png;base64,{data}\"/>\n</svg>\n"
    )
    .into_bytes())
}

/// Replaces the file in one step: a program that reads it meanwhile sees the old file or the new one.
///
/// # Errors
/// If it cannot be written, with its name.
pub fn write(path: &Path, bytes: &[u8]) -> eyre::Result<()> {
    let save = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".dora-shm-plot-")
            // As for any file, the user's umask decides who may read it.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    save().wrap_err_with(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_selects_the_format() {
        assert_eq!(Kind::of(Path::new("a/b.PNG")).unwrap(), Kind::Png);
        assert_eq!(Kind::of(Path::new("b.svg")).unwrap(), Kind::Svg);
        assert!(Kind::of(Path::new("b.jpg")).unwrap_err().to_string().contains("\"jpg\""));
        assert!(Kind::of(Path::new("png")).is_err());
    }

    #[test]
    fn a_picture_becomes_a_png_with_its_own_pixels() {
        let pixels = Pixels { width: 2, height: 1, rgb: vec![[255, 0, 10], [1, 2, 3]] };
        let png = of_pixels(&pixels, Kind::Png).unwrap();
        let read = Pixmap::decode_png(&png).unwrap();
        assert_eq!((read.width(), read.height(), read.data()), (2, 1, &[255, 0, 10, 255, 1, 2, 3, 255][..]));
        assert!(String::from_utf8(of_pixels(&pixels, Kind::Svg).unwrap()).unwrap().contains("data:image/png;base64,"));
    }

    #[test]
    fn text_is_drawn_without_the_systems_fonts() {
        let svg = |text: &str| {
            format!(
                "<svg width=\"60\" height=\"20\" xmlns=\"http://www.w3.org/2000/svg\">\
                 <text x=\"2\" y=\"15\" font-family=\"sans-serif\" font-size=\"14\">{text}</text></svg>"
            )
        };
        let pixels = |text: &str| Pixmap::decode_png(&of_svg(svg(text), Kind::Png, 1.0).unwrap()).unwrap();
        let inked = |text: &str| pixels(text).pixels().iter().filter(|pixel| pixel.alpha() > 0).count();
        assert_eq!(inked(""), 0);
        for text in ["Cz", "µV", "m/s²", "Ω", "größe"] {
            assert!(inked(text) > 10, "{text}");
        }
        assert_ne!(pixels("µ").data(), pixels("Ω").data(), "not the same box for what the font does not have");
    }
}
