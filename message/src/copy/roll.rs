//! Moves the buffered axis to the front and back: a transposition of cells of several bytes.

/// How the frames of a message are placed among its samples: sample `(o * frames + f) * inner + i` is sample `o * inner
/// + i` of frame `f`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Roll {
    pub outer: usize,
    pub frames: usize,
    pub inner: usize,
}

/// Cells up to this size are moved by value, larger ones as runs.
const MAX_CELL_BYTES: usize = 16;

/// Rows of a tile.
const TILE_ROWS: usize = 32;

/// Bytes of a tile's row: long enough for the processor to detect a run and prefetch, while a tile fits a first-level
/// cache.
const TILE_ROW_BYTES: usize = 512;

/// Number of columns from which tiles are faster.
const MIN_TILE_COLUMNS: usize = 8;

/// Rows of a run of a single column.
const RUN_ROWS: usize = 1024;

/// `target[column * target_stride + target_offset + row] = source[row * source_stride + source_offset + column]` for
/// `rows` x `columns` cells of `cell_bytes` bytes; strides and offsets count cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transpose {
    pub rows: usize,
    pub columns: usize,
    pub source_stride: usize,
    pub source_offset: usize,
    pub target_stride: usize,
    pub target_offset: usize,
}

impl Transpose {
    pub(crate) fn run(self, cell_bytes: usize, source: &[u8], target: &mut [u8]) {
        match cell_bytes {
            1 => self.cells::<1>(source, target),
            2 => self.cells::<2>(source, target),
            3 => self.cells::<3>(source, target),
            4 => self.cells::<4>(source, target),
            6 => self.cells::<6>(source, target),
            8 => self.cells::<8>(source, target),
            12 => self.cells::<12>(source, target),
            MAX_CELL_BYTES => self.cells::<MAX_CELL_BYTES>(source, target),
            _ => self.runs(cell_bytes, source, target),
        }
    }

    /// Transposes tile by tile through a copy of the tile. Both sides are accessed in runs, and strides of a power of
    /// two do not evict each other from the cache.
    fn cells<const BYTES: usize>(self, source: &[u8], target: &mut [u8]) {
        let (source, _) = source.as_chunks::<BYTES>();
        let (target, _) = target.as_chunks_mut::<BYTES>();
        if self.columns < MIN_TILE_COLUMNS {
            return self.columns_of_cells(source, target);
        }
        let mut tile = [[0; TILE_ROW_BYTES]; TILE_ROWS];
        let tile_columns = TILE_ROW_BYTES / BYTES;
        for first_row in (0..self.rows).step_by(TILE_ROWS) {
            let rows = TILE_ROWS.min(self.rows - first_row);
            for first_column in (0..self.columns).step_by(tile_columns) {
                let columns = tile_columns.min(self.columns - first_column);
                for (row, line) in tile[..rows].iter_mut().enumerate() {
                    let from = (first_row + row) * self.source_stride + self.source_offset + first_column;
                    line[..columns * BYTES].copy_from_slice(source[from..from + columns].as_flattened());
                }
                for column in 0..columns {
                    let to = (first_column + column) * self.target_stride + self.target_offset + first_row;
                    for (cell, line) in target[to..to + rows].iter_mut().zip(&tile) {
                        *cell = line.as_chunks::<BYTES>().0[column];
                    }
                }
            }
        }
    }

    /// For few columns: gathers each column in runs that are short enough for the source of all columns to stay in the
    /// cache.
    fn columns_of_cells<const BYTES: usize>(self, source: &[[u8; BYTES]], target: &mut [[u8; BYTES]]) {
        for first_row in (0..self.rows).step_by(RUN_ROWS) {
            let rows = RUN_ROWS.min(self.rows - first_row);
            for column in 0..self.columns {
                let to = column * self.target_stride + self.target_offset + first_row;
                let from = first_row * self.source_stride + self.source_offset + column;
                let cells = source[from..].iter().step_by(self.source_stride);
                for (cell, value) in target[to..to + rows].iter_mut().zip(cells) {
                    *cell = *value;
                }
            }
        }
    }

    fn runs(self, cell_bytes: usize, source: &[u8], target: &mut [u8]) {
        for column in 0..self.columns {
            for row in 0..self.rows {
                let to = (column * self.target_stride + self.target_offset + row) * cell_bytes;
                let from = (row * self.source_stride + self.source_offset + column) * cell_bytes;
                target[to..to + cell_bytes].copy_from_slice(&source[from..from + cell_bytes]);
            }
        }
    }
}

/// `target[i * stride + offset] = source[i]` for every cell of `source`; cells have 1, 2, 4 or 8 bytes.
pub(crate) fn scatter(cell_bytes: usize, source: &[u8], target: &mut [u8], stride: usize, offset: usize) {
    fn cells<const BYTES: usize>(source: &[u8], target: &mut [u8], stride: usize, offset: usize) {
        let (source, _) = source.as_chunks::<BYTES>();
        let (target, _) = target.as_chunks_mut::<BYTES>();
        for (group, cell) in target.chunks_exact_mut(stride).zip(source) {
            group[offset] = *cell;
        }
    }
    match cell_bytes {
        1 => cells::<1>(source, target, stride, offset),
        2 => cells::<2>(source, target, stride, offset),
        4 => cells::<4>(source, target, stride, offset),
        _ => cells::<8>(source, target, stride, offset),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_cell_lands_where_the_formula_places_it(
            (rows, columns) in prop_oneof![(1_usize..70, 1_usize..70), (1000_usize..2200, 1_usize..4)],
            cell_bytes in 1_usize..20,
            slack in 0_usize..5,
            source_offset in 0_usize..5,
            target_offset in 0_usize..5,
        ) {
            let transpose = Transpose {
                rows,
                columns,
                source_stride: columns + slack,
                source_offset,
                target_stride: rows + slack,
                target_offset,
            };
            let source: Vec<u8> = (0..(source_offset + rows * transpose.source_stride) * cell_bytes)
                .map(|i| (i * 7 + i / 251) as u8)
                .collect();
            let mut target = vec![0_u8; (target_offset + columns * transpose.target_stride) * cell_bytes];
            let mut expected = target.clone();
            for row in 0..rows {
                for column in 0..columns {
                    for byte in 0..cell_bytes {
                        expected[(column * transpose.target_stride + target_offset + row) * cell_bytes + byte] =
                            source[(row * transpose.source_stride + source_offset + column) * cell_bytes + byte];
                    }
                }
            }
            transpose.run(cell_bytes, &source, &mut target);
            prop_assert_eq!(target, expected);
        }
    }
}
