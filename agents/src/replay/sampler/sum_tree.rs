//! A binary tree of sums: changes one of many masses, and finds the one at a point of their sum, in
//! logarithmic time (Schaul et al. 2016, arXiv 1511.05952, appendix B.2.1).

use std::ops::Range;

/// Node `i` is the sum of nodes `2 i` and `2 i + 1`; node 1 is the root, and the `n` leaves come last.
/// `n` need not be a power of two. Every sum follows from the leaves alone, not from the order of
/// changes, so a tree that is built again from its leaves has the same bits.
pub(super) struct SumTree {
    nodes: Vec<f64>,
}

impl SumTree {
    /// `leaves` masses of 0.
    pub(super) fn new(leaves: usize) -> Self {
        SumTree { nodes: vec![0.0; 2 * leaves] }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len() / 2
    }

    pub(super) fn total(&self) -> f64 {
        self.nodes[1]
    }

    pub(super) fn get(&self, leaf: usize) -> f64 {
        self.nodes[self.len() + leaf]
    }

    pub(super) fn set(&mut self, leaf: usize, mass: f64) {
        let mut i = self.len() + leaf;
        self.nodes[i] = mass;
        while i > 1 {
            i /= 2;
            self.nodes[i] = self.nodes[2 * i] + self.nodes[2 * i + 1];
        }
    }

    /// The leaf at a point between 0 and the total. One without mass is never found, also where
    /// rounding puts the point beside the last mass.
    pub(super) fn find(&self, mut point: f64) -> usize {
        let mut i = 1;
        while i < self.len() {
            let (left, right) = (self.nodes[2 * i], self.nodes[2 * i + 1]);
            if right > 0.0 && (left == 0.0 || point >= left) {
                point -= left;
                i = 2 * i + 1;
            } else {
                i *= 2;
            }
        }
        i - self.len()
    }

    pub(super) fn leaves(&self, range: Range<usize>) -> &[f64] {
        let n = self.len();
        &self.nodes[n + range.start..n + range.end]
    }

    /// The same to be written to; [`SumTree::rebuild`] comes after.
    pub(super) fn leaves_mut(&mut self, range: Range<usize>) -> &mut [f64] {
        let n = self.len();
        &mut self.nodes[n + range.start..n + range.end]
    }

    pub(super) fn rebuild(&mut self) {
        for i in (1..self.len()).rev() {
            self.nodes[i] = self.nodes[2 * i] + self.nodes[2 * i + 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(masses: &[f64]) -> SumTree {
        let mut tree = SumTree::new(masses.len());
        for (i, &mass) in masses.iter().enumerate() {
            tree.set(i, mass);
        }
        tree
    }

    /// Five leaves: 1 and 3 are nodes 8 and 9 (4 under node 4), 5 and 2 are node 5's, and 4 is node 7.
    /// In the order of the tree's leaves from left to right: nodes 8, 9, 5, 6, 7.
    #[test]
    fn sums_and_points_by_hand() {
        let mut tree = of(&[5.0, 0.0, 4.0, 1.0, 3.0]);
        assert_eq!(tree.nodes[1..], [13.0, 9.0, 4.0, 4.0, 5.0, 0.0, 4.0, 1.0, 3.0]);
        assert_eq!(tree.total(), 13.0);
        for (point, leaf) in
            [(0.0, 3), (0.99, 3), (1.0, 4), (3.99, 4), (4.0, 0), (8.99, 0), (9.0, 2), (12.99, 2)]
        {
            assert_eq!(tree.find(point), leaf, "{point}");
        }
        // Beyond the sum by rounding: the last mass, not the empty leaf 1 beside it.
        assert_eq!(tree.find(13.0), 2);
        tree.set(2, 0.0);
        assert_eq!((tree.total(), tree.find(9.0)), (9.0, 0));
        tree.set(1, 2.0);
        assert_eq!((tree.total(), tree.find(9.0), tree.get(1)), (11.0, 1, 2.0));
        // Both below node 3, behind the 9 of node 2.
        tree.set(2, 3.0);
        assert_eq!((tree.total(), tree.find(10.0), tree.find(11.0)), (14.0, 1, 2));
        assert_eq!(of(&[7.0]).find(3.0), 0);
    }

    /// Sums do not remember how they came about.
    #[test]
    fn a_tree_built_again_has_the_same_bits() {
        let masses: Vec<f64> = (0..37).map(|i| 1.0 / f64::from(i * 7 % 37 + 1)).collect();
        let mut tree = of(&masses);
        for i in (0..37).step_by(3) {
            tree.set(i, 1e9);
            tree.set(i, masses[i] * 0.1);
        }
        let mut again = SumTree::new(37);
        again.leaves_mut(0..37).copy_from_slice(tree.leaves(0..37));
        again.rebuild();
        assert_eq!(again.nodes, tree.nodes);
    }
}
