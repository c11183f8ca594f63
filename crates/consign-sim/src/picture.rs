//! Pictures: real PNG files drawn from a number. The same number and size give the same bytes.

use crate::chance::chance;

/// Draws a picture.
pub(crate) fn png(number: u64, width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut rng = chance(number, 0);
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette(&mut rng));
    encoder.set_compression(png::Compression::Fastest);
    encoder.set_filter(png::Filter::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels(&mut rng, width as usize, height as usize))?;
    writer.finish()?;
    Ok(encoded)
}

/// 256 colours on a way through four random ones.
fn palette(rng: &mut fastrand::Rng) -> Vec<u8> {
    let stops: Vec<[f32; 3]> = (0..5).map(|_| [(); 3].map(|()| 20.0 + 225.0 * rng.f32())).collect();
    let mut colours = Vec::with_capacity(768);
    for index in 0..256_usize {
        let (stop, part) = (index / 64, (index % 64) as f32 / 64.0);
        colours.extend((0..3).map(|c| (stops[stop][c] * (1.0 - part) + stops[stop + 1][c] * part) as u8));
    }
    colours
}

/// A gradient, with some discs on it that shift the colours.
fn pixels(rng: &mut fastrand::Rng, width: usize, height: usize) -> Vec<u8> {
    let (down, across) = (rng.usize(40..160), rng.usize(40..160));
    let slope: Vec<u8> = (0..width).map(|x| (x * across / width) as u8).collect();
    let mut data = vec![0; width * height];
    for (y, row) in data.chunks_exact_mut(width).enumerate() {
        row.copy_from_slice(&slope);
        let shift = (y * down / height) as u8;
        row.iter_mut().for_each(|pixel| *pixel = pixel.wrapping_add(shift));
    }
    for _ in 0..rng.usize(4..9) {
        let (centre, middle) = (rng.f64() * width as f64, rng.f64() * height as f64);
        let radius = (0.06 + 0.2 * rng.f64()) * width.min(height) as f64;
        let shift = rng.u8(40..200);
        for (y, row) in data.chunks_exact_mut(width).enumerate() {
            let half = (radius * radius - (y as f64 - middle).powi(2)).max(0.0).sqrt();
            let edge = |x: f64| (x.max(0.0) as usize).min(width);
            let disc = &mut row[edge(centre - half)..edge(centre + half)];
            disc.iter_mut().for_each(|pixel| *pixel = pixel.wrapping_add(shift));
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_decode_with_their_size_and_are_the_same_for_the_same_number() {
        for (width, height) in [(64, 64), (1216, 832), (2048, 64)] {
            let file = png(7, width, height).unwrap();
            assert_eq!(file, png(7, width, height).unwrap());
            assert_ne!(file, png(8, width, height).unwrap());
            let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let frame = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((frame.width, frame.height), (width, height));
        }
    }
}
