//! What a message is besides its samples: its Arrow type and its shape, as its recipe has them.

use std::collections::BTreeMap;

use arrow::datatypes::FieldRef;

use crate::array::payload::{ListKind, Node, Payload};
use crate::rebuild::recipe::{ArrowField, ArrowList, ArrowType, RECIPE_VERSION, Recipe};
use crate::shape::arrangement::Arrangement;
use crate::shape::element_type::ElementType;

/// The parts of a message besides its samples and parameters.
pub(crate) struct Wrapping<'a> {
    pub payload: &'a Payload,
    pub arrangement: &'a Arrangement,
    pub element: &'a ElementType,
}

impl Wrapping<'_> {
    /// The recipe of such messages, without their parameters.
    pub(crate) fn recipe(&self) -> Recipe {
        let axis = self.arrangement.axis;
        let shape = self.arrangement.shape.iter().enumerate();
        let shape = shape.map(|(index, &dim)| if Some(index) == axis { None } else { Some(dim) }).collect();
        let (rows, arrow) = match (self.element.is_bytes, self.element.comes_back_as) {
            (true, Some(dtype)) => (None, ArrowType::Number(dtype)),
            _ => {
                let mut open = self.open_list();
                let rows = open.map(|_| self.payload.rows);
                (rows, self.arrow_type(&self.payload.root, &mut open))
            }
        };
        Recipe {
            version: RECIPE_VERSION,
            arrow,
            rows,
            shape,
            dims: self.arrangement.dims.clone(),
            parameters: BTreeMap::new(),
            per_message: Vec::new(),
            types: BTreeMap::new(),
        }
    }

    /// Which of the outermost lists grows with the number of frames. `None`: the array does.
    pub(crate) fn open_list(&self) -> Option<usize> {
        let lists = self.payload.root.outermost_lists();
        let axis = self.arrangement.axis?;
        if self.arrangement.shape.split_first() == Some((&self.payload.rows, &*self.element.row)) {
            return axis.checked_sub(1).filter(|list| *list < lists);
        }
        let frame: u64 = self.arrangement.frame_shape().iter().product();
        let is_a_row = self.element.row.iter().product::<u64>() == frame;
        (self.payload.rows == 1 && lists > 0 && !is_a_row).then_some(0)
    }

    fn arrow_type(&self, node: &Node, open: &mut Option<usize>) -> ArrowType {
        match node {
            Node::Number { index } | Node::Bytes { index, .. } => {
                ArrowType::Number(self.element.comes_back_as.unwrap_or(self.payload.columns[*index].dtype))
            }
            Node::List { kind, length, item, child } => {
                let is_open = *open == Some(0);
                *open = open.and_then(|lists| lists.checked_sub(1));
                let list = ArrowList {
                    length: if is_open { None } else { Some(*length) },
                    item: Box::new(self.field(item, child, open)),
                };
                match kind {
                    ListKind::Fixed => ArrowType::FixedSizeList(list),
                    ListKind::List => ArrowType::List(list),
                    ListKind::Large => ArrowType::LargeList(list),
                }
            }
            Node::Struct(members) => {
                ArrowType::Struct(members.iter().map(|member| self.field(&member.field, &member.node, open)).collect())
            }
        }
    }

    fn field(&self, field: &FieldRef, node: &Node, open: &mut Option<usize>) -> ArrowField {
        ArrowField {
            name: field.name().clone(),
            nullable: field.is_nullable(),
            metadata: field.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            arrow_type: self.arrow_type(node, open),
        }
    }
}
