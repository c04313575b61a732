/// The activations of one picture, in memory that somebody else owns: NHWC with N = 1, that is rows (H), columns (W), and
/// the channels (C) of one pixel side by side.
package struct FeatureMap {
    package let pointer: UnsafeMutablePointer<Float>
    package let height: Int
    package let width: Int
    package let channels: Int

    package init(_ pointer: UnsafeMutablePointer<Float>, height: Int, width: Int, channels: Int) {
        self.pointer = pointer
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// The number of floats.
    package var count: Int { height * width * channels }
    /// The number of pixels.
    package var pixels: Int { height * width }

    /// The first float of row `y`.
    package func row(_ y: Int) -> UnsafeMutablePointer<Float> { pointer + y * width * channels }
}
