import CNeedletailCodecs

extension PixelImage {
    /// The picture at another size, equal to Pillow's `Image.resize` to the bit.
    ///
    /// - Precondition: both sides are positive.
    /// - Complexity: about (old height × new width + new height × new width) × the filter's support.
    public func resized(width newWidth: Int, height newHeight: Int, resampling: Resampling = .bicubic) -> PixelImage {
        precondition(newWidth > 0 && newHeight > 0, "a picture has at least one pixel")
        if newWidth == width && newHeight == height { return self }
        let region = Region(x: 0, y: 0, width: newWidth, height: newHeight)
        let resized = [UInt8](unsafeUninitializedCapacity: newWidth * newHeight * 3) { target, filled in
            resample(toWidth: newWidth, height: newHeight, resampling, region: region, into: target, stride: newWidth * 3)
            filled = newWidth * newHeight * 3
        }
        return PixelImage(width: newWidth, height: newHeight, pixels: resized)
    }

    /// The picture shrunk so that its long side is at most `maximumSide`, in proportion; as it is if it is small enough already.
    ///
    /// - Precondition: `maximumSide` is positive.
    public func thumbnail(maximumSide: Int, resampling: Resampling = .bicubic) -> PixelImage {
        precondition(maximumSide > 0, "a thumbnail has at least one pixel")
        let longSide = max(width, height)
        guard longSide > maximumSide else { return self }
        func scaled(_ side: Int) -> Int { max(1, Int((Double(side) * Double(maximumSide) / Double(longSide)).rounded())) }
        return resized(width: scaled(width), height: scaled(height), resampling: resampling)
    }

    /// A part of a picture.
    struct Region {
        var x: Int
        var y: Int
        var width: Int
        var height: Int
    }

    /// Computes `region` of the picture resized to `newWidth` × `newHeight`; row `y` of it begins at byte `y × stride` of `target`.
    func resample(
        toWidth newWidth: Int, height newHeight: Int, _ resampling: Resampling, region: Region,
        into target: UnsafeMutableBufferPointer<UInt8>, stride: Int
    ) {
        assert(region.x >= 0 && region.width > 0 && region.x + region.width <= newWidth, "the region lies inside the picture")
        assert(region.y >= 0 && region.height > 0 && region.y + region.height <= newHeight, "the region lies inside the picture")
        assert(target.count >= (region.height - 1) * stride + region.width * 3, "the target has room for the region")
        let succeeded = pixels.withUnsafeBufferPointer { source in
            var request = nt_resample(
                source: source.baseAddress, source_width: width, source_height: height, target_width: newWidth, target_height: newHeight,
                region_x: region.x, region_y: region.y, region_width: region.width, region_height: region.height,
                filter: resampling == .bicubic ? NT_FILTER_BICUBIC : NT_FILTER_BILINEAR, output: target.baseAddress, output_stride: stride)
            return nt_resample_rgb8(&request)
        }
        // Like an array that cannot grow: there is nothing sensible left to do.
        precondition(succeeded, "out of memory while resizing a picture")
    }
}
