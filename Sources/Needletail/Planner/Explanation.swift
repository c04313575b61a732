/// How a search is run and why so: what ``Collection/explain(near:k:where:recall:efSearch:nprobe:refineFactor:exact:analyze:verify:compare:)``
/// gives. Printed, it is a tree, the parts below what is made of them.
public struct Explanation: Sendable, Hashable, CustomStringConvertible {
    /// What was asked, in a line.
    public let question: String
    /// The plan as a tree.
    public let root: PlanNode
    /// The plan that was chosen, and which was followed where the search was run.
    public let plan: SearchPlan
    /// The ways that were not taken, the cheapest first.
    public let rejected: [RejectedPlan]
    /// Microseconds that the choice took.
    public let planningMicroseconds: Double
    /// The share of the true nearest that the search found, if it was asked for.
    public let trueRecall: Double?

    /// The tree, one line or more a node.
    public var description: String {
        var lines = [question]
        root.write(to: &lines, depth: 0)
        if !rejected.isEmpty {
            lines.append("not taken:")
            for other in rejected { lines.append("  " + other.description) }
        }
        var end = "planned in \(NumberText.significant(planningMicroseconds, digits: 2)) µs"
        if let trueRecall { end += "; true recall \(NumberText.significant(trueRecall, digits: 4))" }
        lines.append(end)
        return lines.joined(separator: "\n")
    }
}

/// A step of a plan.
public struct PlanNode: Sendable, Hashable {
    /// What the step is, as `scan by codes`.
    public let name: String
    /// What it works on and with which settings.
    public let detail: String
    /// Microseconds that it is expected to take, with the steps below it; `nil` where it takes none worth telling.
    public let estimatedMicroseconds: Double?
    /// Records that it is expected to give.
    public let estimatedRows: Int
    /// The share of the true nearest that it is expected to find.
    public let estimatedRecall: Double?
    /// What it did, where the search was run.
    public let actual: Actual?
    /// The steps whose results it uses.
    public let children: [PlanNode]

    /// What a step really did.
    public struct Actual: Sendable, Hashable {
        /// Microseconds, with the steps below it; `nil` where they were not measured apart.
        public var microseconds: Double?
        /// Records that it gave.
        public var rows: Int
        /// Lists of neighbours that were read.
        public var hops = 0
        /// Codes that were compared, of whatever kind.
        public var codes = 0
        /// Vectors that were compared in full precision.
        public var distances = 0
        /// Bytes of vectors, codes and lists that were read for this.
        public var byteCount = 0
        /// What else is worth telling.
        public var remark: String?
    }

    init(
        _ name: String, _ detail: String, microseconds: Double? = nil, rows: Int, recall: Double? = nil, actual: Actual? = nil,
        children: [PlanNode] = []
    ) {
        self.name = name
        self.detail = detail
        estimatedMicroseconds = microseconds
        estimatedRows = rows
        estimatedRecall = recall
        self.actual = actual
        self.children = children
    }

    /// The lines of the node and those below it.
    func write(to lines: inout [String], depth: Int) {
        let indent = String(repeating: "  ", count: depth)
        lines.append("\(indent)→ \(name): \(detail)")
        var expected: [String] = []
        if let estimatedMicroseconds { expected.append("\(NumberText.significant(estimatedMicroseconds, digits: 2)) µs") }
        expected.append(NumberText.counted(estimatedRows, "row"))
        if let estimatedRecall { expected.append("recall \(NumberText.significant(estimatedRecall, digits: 3))") }
        lines.append("\(indent)    expected " + expected.joined(separator: ", "))
        if let actual { lines.append("\(indent)    actual   " + actual.description) }
        for child in children { child.write(to: &lines, depth: depth + 1) }
    }
}

extension PlanNode.Actual: CustomStringConvertible {
    /// `79 µs, 10 rows, 10,323 codes, 16 vectors, 781 KiB read`.
    public var description: String {
        var parts: [String] = []
        if let microseconds { parts.append("\(NumberText.significant(microseconds, digits: 2)) µs") }
        parts.append(NumberText.counted(rows, "row"))
        if hops > 0 { parts.append(NumberText.counted(hops, "hop")) }
        if codes > 0 { parts.append(NumberText.counted(codes, "code")) }
        if distances > 0 { parts.append(NumberText.counted(distances, "vector")) }
        if byteCount > 0 { parts.append("\(NumberText.count((byteCount + 1023) / 1024)) KiB read") }
        if let remark { parts.append(remark) }
        return parts.joined(separator: ", ")
    }
}

/// A way to run a search that was not taken.
public struct RejectedPlan: Sendable, Hashable, CustomStringConvertible {
    /// The way.
    public let plan: SearchPlan
    /// Microseconds that it was expected to take.
    public let estimatedMicroseconds: Double
    /// Why it was not taken.
    public let reason: String
    /// Microseconds that it took, where it was run for comparison.
    public let actualMicroseconds: Double?

    /// `hnsw with efSearch 43 …: 160 µs, 1.9 times as long`.
    public var description: String {
        let actual = actualMicroseconds.map { ", actual \(NumberText.significant($0, digits: 2)) µs" } ?? ""
        return "\(plan): \(NumberText.significant(estimatedMicroseconds, digits: 2)) µs, \(reason)\(actual)"
    }
}
