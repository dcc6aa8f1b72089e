//! What an invariant keeps of each node, by the node's number.
//!
//! Every step looks something up here, and nodes are few and numbered from one: it is a list.

use synod_paxos::NodeId;

/// Something of each node; of a node that was not asked about yet it is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByNode<T>(Vec<T>);

impl<T: Default> ByNode<T> {
    /// Returns what is kept of a node.
    pub(super) fn of(&mut self, node: NodeId) -> &mut T {
        let place = usize::from(node.number());
        if place >= self.0.len() {
            self.0.resize_with(place + 1, T::default);
        }
        &mut self.0[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_its_own() {
        let mut kept = ByNode::default();
        for (number, value) in [(5, 50), (1, 10), (3, 30)] {
            *kept.of(NodeId::new(number)) = value;
        }
        assert_eq!(
            [1, 2, 3, 4, 5, 9].map(|number| *kept.of(NodeId::new(number))),
            [10, 0, 30, 0, 50, 0]
        );
    }
}
