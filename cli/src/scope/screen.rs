//! The whole screen, from its parts.

use ratatui::buffer::Buffer;

use super::colours::Depth;
use super::controls::View;
use super::scene::{Body, Footing, Heading, Layout};
use super::{footer, header, heat, help, image, placeholder, time_axis, traces};

pub fn render(heading: &Heading, body: &Body<'_>, footing: &Footing, depth: Depth, buffer: &mut Buffer) {
    let layout = Layout::of(buffer.area);
    if buffer.area.height >= 3 {
        match body {
            Body::Placeholder(sentences) => placeholder::render(sentences, layout.body, buffer),
            Body::Picture(pixels) => image::render(pixels, depth, layout.body, buffer),
            Body::Plot(view, scene, axis) => {
                match view {
                    View::Heat => heat::render(scene, depth, layout.plot, buffer),
                    _ => traces::render(scene, layout.plot, buffer),
                }
                time_axis::render(axis, layout.plot, layout.axis, buffer);
            }
        }
    }
    header::render(heading, layout.header, buffer);
    footer::render(footing, layout.footer, buffer);
    if footing.help {
        help::render(layout.body, buffer);
    }
}

#[cfg(test)]
mod tests;
