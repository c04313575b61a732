import NeedletailStorage

extension HNSWBuild {
    /// The arrays as storage installs them, those chunks left out that are the stored ones still. Valid as long as this object.
    package var contents: [IndexArrayContent] {
        arrays.map { IndexArrayContent(stride: $0.stride, count: $0.count, chunks: $0.changedChunks) }
    }
}
