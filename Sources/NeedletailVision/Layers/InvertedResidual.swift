/// MobileNetV2's block (Sandler et al. 2018, figure 3b): expand 1 × 1, depthwise 3 × 3, project 1 × 1, and the input added
/// where the shapes allow.
///
/// The expanded map is six times as large as what goes in and comes out, up to 5 MB. So it never exists as a whole: the
/// three steps run over bands of rows that fit the second-level cache. The rows that the next band's kernel shares with
/// this one's are kept, nothing is computed twice.
package struct InvertedResidual: Sendable {
    /// Where the rows under the depthwise kernel come from.
    package enum Expansion: Sendable {
        /// The input itself.
        case none
        /// A 1 × 1 convolution with ReLU6.
        case pointwise(Linear)
        /// The stem of the network, so that its large output, too, stays in the cache.
        case stem(PatchConvolution, Padding)
    }

    package let expansion: Expansion
    package let depthwise: DepthwiseConvolution
    package let projection: Linear
    package let padding: Padding
    /// Whether the input (after the stem, where there is one) is added to the output: stride 1 and as many channels out as in.
    package let addsInput: Bool

    /// Floats of expanded rows and of depthwise output that a band may have: with weights and input they fit 1 MiB.
    private static let bandCount = 96 << 10

    /// Rows, columns and channels of the output for an input of `height × width`.
    package func outputShape(height: Int, width: Int) -> (height: Int, width: Int, channels: Int) {
        let (h, w) = expandedSize(height: height, width: width)
        return (
            padding.applied(side: h, kernel: 3, stride: depthwise.stride).output,
            padding.applied(side: w, kernel: 3, stride: depthwise.stride).output, projection.outputCount
        )
    }

    private func expandedSize(height: Int, width: Int) -> (height: Int, width: Int) {
        guard case .stem(let stem, let padding) = expansion else { return (height, width) }
        return (
            padding.applied(side: height, kernel: stem.kernel, stride: stem.stride).output,
            padding.applied(side: width, kernel: stem.kernel, stride: stem.stride).output
        )
    }

    /// Computes the block into `memory`, which has room for the output.
    package func callAsFunction(_ input: FeatureMap, to memory: UnsafeMutablePointer<Float>, scratch: InvertedResidualScratch) -> FeatureMap {
        let stride = depthwise.stride, channels = depthwise.channels
        let (height, width) = expandedSize(height: input.height, width: input.width)
        let (padTop, outputHeight) = padding.applied(side: height, kernel: 3, stride: stride)
        let (padLeft, outputWidth) = padding.applied(side: width, kernel: 3, stride: stride)
        let output = FeatureMap(memory, height: outputHeight, width: outputWidth, channels: projection.outputCount)

        let expandedRow = width * channels
        let bandRows = Self.bandRows(expandedRow: expandedRow, depthwiseRow: outputWidth * channels, stride: stride, outputHeight: outputHeight)
        let expanded = scratch.expanded, filtered = scratch.filtered
        var kept = 0 ..< 0   // rows of the expanded map in `expanded`
        var y = 0
        while y < outputHeight {
            let end = min(y + bandRows, outputHeight)
            let first = max(y * stride - padTop, 0)
            let last = min((end - 1) * stride - padTop + 3, height)
            let source: UnsafePointer<Float>   // of row `first`
            if case .none = expansion {
                source = UnsafePointer(input.row(first))
            } else {
                if first < kept.upperBound {
                    expanded.update(from: expanded + (first - kept.lowerBound) * expandedRow, count: (kept.upperBound - first) * expandedRow)
                }
                let fresh = max(first, kept.upperBound) ..< last
                expand(input, rows: fresh, width: width, to: expanded + (fresh.lowerBound - first) * expandedRow, scratch: scratch)
                kept = first ..< last
                source = UnsafePointer(expanded)
            }
            for row in y ..< end {
                let top = row * stride - padTop
                let under = (0 ..< 3).lazy.map { top + $0 }
                func pointer(_ i: Int) -> UnsafePointer<Float>? { i < 0 || i >= height ? nil : source + (i - first) * expandedRow }
                depthwise.row(
                    pointer(under[0]), pointer(under[1]), pointer(under[2]), width: width, padLeft: padLeft, outputWidth: outputWidth,
                    to: filtered + (row - y) * outputWidth * channels)
            }
            var residual: UnsafePointer<Float>?
            if addsInput {
                if case .stem = expansion { residual = source + (y - first) * expandedRow } else { residual = UnsafePointer(input.row(y)) }
            }
            projection(filtered, rows: (end - y) * outputWidth, to: output.row(y), residual: residual)
            y = end
        }
        return output
    }

    private func expand(
        _ input: FeatureMap, rows: Range<Int>, width: Int, to output: UnsafeMutablePointer<Float>, scratch: InvertedResidualScratch
    ) {
        switch expansion {
        case .none: break
        case .pointwise(let linear):
            linear(input.row(rows.lowerBound), rows: rows.count * width, to: output)
        case .stem(let stem, let padding):
            let padTop = padding.applied(side: input.height, kernel: stem.kernel, stride: stem.stride).before
            let padLeft = padding.applied(side: input.width, kernel: stem.kernel, stride: stem.stride).before
            for row in rows {
                stem.row(
                    row, of: input, padTop: padTop, padLeft: padLeft, outputWidth: width, patches: scratch.patches,
                    to: output + (row - rows.lowerBound) * width * depthwise.channels)
            }
        }
    }

    /// As many rows of output as the band's memory allows, at least one; bands of about equal height.
    private static func bandRows(expandedRow: Int, depthwiseRow: Int, stride: Int, outputHeight: Int) -> Int {
        let fixed = (3 - stride) * expandedRow, each = stride * expandedRow + depthwiseRow
        let most = max((bandCount - fixed) / each, 1)
        let bands = (outputHeight + most - 1) / most
        return (outputHeight + bands - 1) / bands
    }
}

/// Working memory that all blocks of a network use in turn.
package struct InvertedResidualScratch {
    package let expanded: UnsafeMutablePointer<Float>
    package let filtered: UnsafeMutablePointer<Float>
    package let patches: UnsafeMutablePointer<Float>
}

extension InvertedResidual {
    /// Floats of ``InvertedResidualScratch`` that this block needs for an input of `height × width`.
    package func scratchCounts(height: Int, width: Int) -> (expanded: Int, filtered: Int, patches: Int) {
        let (_, expandedWidth) = expandedSize(height: height, width: width)
        let output = outputShape(height: height, width: width)
        let row = expandedWidth * depthwise.channels, depthwiseRow = output.width * depthwise.channels
        let rows = Self.bandRows(expandedRow: row, depthwiseRow: depthwiseRow, stride: depthwise.stride, outputHeight: output.height)
        var patches = 0
        if case .stem(let stem, _) = expansion { patches = stem.patchRowCount(outputWidth: expandedWidth) }
        return (((rows - 1) * depthwise.stride + 3) * row, rows * depthwiseRow, patches)
    }
}
