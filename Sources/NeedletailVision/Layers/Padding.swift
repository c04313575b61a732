/// How much a convolution pads, which differs between frameworks where the stride is 2.
public enum Padding: String, Sendable, Hashable, Codable, CaseIterable {
    /// PyTorch's: (kernel − 1) / 2 on every side.
    case symmetric
    /// TensorFlow's SAME: as much as the output of ⌈side / stride⌉ needs, the odd one after the last row or column.
    case same

    /// The padding before the first of `side` rows or columns, and how many come out.
    package func applied(side: Int, kernel: Int, stride: Int) -> (before: Int, output: Int) {
        switch self {
        case .symmetric:
            let before = (kernel - 1) / 2
            return (before, (side + 2 * before - kernel) / stride + 1)
        case .same:
            let output = (side + stride - 1) / stride
            return (max((output - 1) * stride + kernel - side, 0) / 2, output)
        }
    }
}
