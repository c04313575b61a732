import Foundation

/// One measured figure: every run, and what they come to.
struct Measurement: Encodable {
    var figure: String
    var variant: String
    var unit: String
    var runs: [Double]
    var median: Double
    var note: String?

    init(_ figure: String, _ variant: String, unit: String, runs: [Double], note: String? = nil) {
        self.figure = figure
        self.variant = variant
        self.unit = unit
        self.runs = runs.map { Double(String(format: "%.6g", $0)) ?? $0 }
        self.median = Double(String(format: "%.6g", Figures.median(runs))) ?? 0
        self.note = note
    }

    func print() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard var line = try? encoder.encode(self) else { return }
        line.append(UInt8(ascii: "\n"))
        FileHandle.standardOutput.write(line)
    }
}

extension Figures {
    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// Seconds that `body` takes.
    static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        try body()
        return (ContinuousClock.now - start) / .seconds(1)
    }

    static func seconds(_ body: () async throws -> Void) async rethrows -> Double {
        let start = ContinuousClock.now
        try await body()
        return (ContinuousClock.now - start) / .seconds(1)
    }
}
