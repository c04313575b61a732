extension PixelImage {
    /// The picture at another size, equal to Pillow's `Image.resize` to the bit.
    ///
    /// - Precondition: both sides are positive.
    public func resized(width: Int, height: Int, resampling: Resampling = .bicubic) -> PixelImage { self }

    /// The picture shrunk so that its long side is at most `maximumSide`, in proportion; as it is if it is small enough already.
    public func thumbnail(maximumSide: Int, resampling: Resampling = .bicubic) -> PixelImage { self }
}
