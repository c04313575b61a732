import NeedletailIndex
import NeedletailStorage

/// The graph index of a collection at one commit, ready to be searched.
final class GraphIndex: Sendable {
    /// Slots below it are in the graph, or were deleted before it was built.
    let coveredCount: Int
    let calibration: Calibration
    let facts: SearchFacts.Index

    init() {
        coveredCount = 0
        calibration = Calibration()
        facts = SearchFacts.Index(tailCount: 0, coveredCount: 0, degree: 32)
    }

    func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        []
    }

    func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, efSearch: Int, limit: Int?,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        []
    }
}
