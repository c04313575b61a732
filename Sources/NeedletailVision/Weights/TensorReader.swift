/// Reads the tensors of a network strictly: each must exist with the shape that the architecture gives it, and in the end none
/// may be left over.
package struct TensorReader {
    private let file: SafetensorsFile
    private var used: Set<String> = []

    package init(_ file: SafetensorsFile) { self.file = file }

    /// The values of tensor `key`, which has `shape`.
    package mutating func read(_ key: String, _ shape: [Int]) throws(VisionError) -> [Float] {
        guard let tensor = file.tensors[key] else { throw missing(key, shape) }
        guard tensor.shape == shape else { throw misshaped(key, expected: shape, actual: tensor.shape) }
        used.insert(key)
        return try file.floats(key)
    }

    /// Side `axis` of tensor `key`, which has `axes` of them: for the sizes that a family of networks leaves open.
    package func side(_ axis: Int, of key: String, axes: Int) throws(VisionError) -> Int {
        guard let tensor = file.tensors[key] else { throw missing(key, nil) }
        // Of a tensor without numbers, the other sides may be anything; of any other, the file's length bounds them.
        guard tensor.shape.count == axes, tensor.count > 0 else {
            throw VisionError(
                .shapeMismatch, "tensor \(key) of \(file.path) has the shape \(tensor.shape), expected \(axes) sides of at least 1",
                path: file.path, tensor: key, actualShape: tensor.shape)
        }
        return tensor.shape[axis]
    }

    /// Checks that every tensor was read, apart from those whose key begins with one of `prefixes` (a classifier that an embedding
    /// has no use for) and batch norm's counters of training steps.
    package func finish(ignoring prefixes: [String]) throws(VisionError) {
        let surplus = file.tensors.keys.filter { key in
            !used.contains(key) && !key.hasSuffix(".num_batches_tracked") && !prefixes.contains { key.hasPrefix($0) }
        }
        guard let first = surplus.min() else { return }
        let others = surplus.count == 1 ? "" : " (and \(surplus.count - 1) more)"
        throw VisionError(
            .surplusTensor, "\(file.path) has a tensor \(first)\(others) that this architecture has no use for: it is a network of another kind",
            path: file.path, tensor: first, actualShape: file.tensors[first]?.shape)
    }

    private func missing(_ key: String, _ shape: [Int]?) -> VisionError {
        let expected = shape.map { " of shape \($0)" } ?? ""
        return VisionError(
            .missingTensor, "\(file.path) has no tensor \(key)\(expected), which this architecture needs", path: file.path, tensor: key, expectedShape: shape)
    }

    private func misshaped(_ key: String, expected: [Int], actual: [Int]) -> VisionError {
        VisionError(
            .shapeMismatch, "tensor \(key) of \(file.path) has the shape \(actual), expected \(expected)",
            path: file.path, tensor: key, expectedShape: expected, actualShape: actual)
    }
}
