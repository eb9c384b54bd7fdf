//! `any_order(t)`: k uniform among 1 to n, so that only how the batch spreads its k is to be said.

use super::t;
use crate::check::reader::{Cx, Reader};
use crate::check::spec::AnyOrder;

pub fn read(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<AnyOrder> {
    Some(AnyOrder { draw: t::read_kind(reader, cx)? })
}
