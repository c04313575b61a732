import Foundation
import Needletail

/// What is known of a field's values, in words and in JSON.
enum FieldReport {
    private static let mostCommonCount = 3
    /// A value that fewer records have is not worth its place on the line.
    private static let leastShare = 0.01
    private static let valueWidth = 24

    /// Such as `12 null, about 900 different, 0.5 to 99; 4.5 12 %, 3 8 %`.
    static func summary(of field: FieldStatistics) -> String {
        guard field.count > 0 else { return "" }
        if field.nullCount == field.count { return "all null" }
        var parts: [String] = []
        if field.nullCount > 0 { parts.append("\(Format.count(field.nullCount)) null") }
        parts.append("about \(Format.count(field.distinctCount)) different")
        // Of truth values, those that there are say more.
        if let minimum = field.minimum, let maximum = field.maximum, minimum.type != .bool {
            parts.append(minimum == maximum ? text(minimum) : "\(text(minimum)) to \(text(maximum))")
        }
        let common = field.mostCommon.prefix(mostCommonCount).filter { $0.share >= leastShare }
            .map { "\(text($0.value)) \(Format.percent($0.share))" }
        return parts.joined(separator: ", ") + (common.isEmpty ? "" : "; " + common.joined(separator: ", "))
    }

    /// From which records that is known; `nil` where there is none.
    static func sample(of field: FieldStatistics) -> String? {
        let (sampled, then) = (field.sampledCount, field.countWhenSampled)
        guard field.count > 0, then > 0 else { return nil }
        if sampled >= then, then == field.count { return "from all records" }
        return "from \(sampled < then ? "a sample of \(Format.count(sampled)) of" : "all") \(Format.counted(then, "record"))"
            + (then == field.count ? "" : " that there were then")
    }

    static func json(_ field: FieldStatistics) -> String {
        JSONText.object([
            ("name", JSONText.string(field.name)), ("count", String(field.count)), ("nullCount", String(field.nullCount)),
            ("distinctCount", String(field.distinctCount)), ("minimum", JSONText.value(field.minimum ?? .null)),
            ("maximum", JSONText.value(field.maximum ?? .null)),
            ("mostCommon", JSONText.list(field.mostCommon.map {
                JSONText.object([("value", JSONText.value($0.value)), ("share", JSONText.number($0.share))])
            })),
            ("quantiles", JSONText.list(field.quantiles.map(JSONText.value))), ("sampledCount", String(field.sampledCount)),
            ("countWhenSampled", String(field.countWhenSampled)),
        ])
    }

    private static func text(_ value: Value) -> String {
        switch value {
        case .string(let string): "'" + TextWidth.fit(string, width: valueWidth) + "'"
        // As many digits as serve a reader; the JSON has all.
        case .double(let number): String(format: "%.7g", number)
        default: value.description
        }
    }
}
