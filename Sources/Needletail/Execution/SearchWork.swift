import NeedletailIndex

/// What a search did, added up as it went: for EXPLAIN ANALYZE, and to learn which filters make walks give up.
struct SearchWork: Sendable {
    var graph = HNSWStatistics()
    var lists = IVFPQStatistics()
    /// Rows behind the index that were compared, and rows that an exact scan compared.
    var tailRows = 0, exactRows = 0
    /// Microseconds of the parts; measured only where somebody wants to know.
    var isTimed = false
    var indexMicroseconds = 0.0, tailMicroseconds = 0.0, exactMicroseconds = 0.0
    /// Whether a walk gave up, so that a scan had to follow.
    var gaveUp = false
    /// Whether too few of the neighbours that were looked for without the filter match, so that another search had to follow.
    var fellShort = false

    /// Runs a part, and adds its time where that is wanted.
    @inline(__always)
    mutating func time<R>(_ part: WritableKeyPath<SearchWork, Double>, _ body: (inout SearchWork) -> R) -> R {
        guard isTimed else { return body(&self) }
        let start = ContinuousClock.now
        let result = body(&self)
        self[keyPath: part] += (ContinuousClock.now - start) / .microseconds(1)
        return result
    }
}
