import Foundation

/// Numbers as people read them in messages.
enum NumberText {
    /// `1234567` as `1,234,567`.
    static func count(_ value: Int) -> String {
        var digits = String(value.magnitude)
        var result = ""
        while digits.count > 3 {
            result = "," + digits.suffix(3) + result
            digits.removeLast(3)
        }
        return (value < 0 ? "-" : "") + digits + result
    }

    /// `count` and a noun: `1 record`, `12,000 records`.
    static func counted(_ count: Int, _ noun: String) -> String { "\(self.count(count)) \(noun)\(count == 1 ? "" : "s")" }

    /// A number of bytes that is needed: whole MiB, rounded up, so that it suffices when it is given as a limit.
    static func bytesNeeded(_ count: Int) -> String { count < 1 << 20 ? "\(self.count(count)) bytes" : "\(self.count(((count - 1) >> 20) + 1)) MiB" }

    /// A share in per cent, with three digits that count: `8.43 %`.
    static func percent(_ share: Double) -> String { significant(share * 100, digits: 3) + " %" }

    /// A number with so many digits that count, without zeros behind them.
    static func significant(_ value: Double, digits: Int) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
        let places = max(0, digits - 1 - Int(log10(abs(value)).rounded(.down)))
        guard places <= 9 else { return "0" }
        let scale = pow(10, Double(places)), scaled = (abs(value) * scale).rounded()
        guard scaled < 1e15 else { return "\(value)" }
        let whole = Int(scaled / scale)
        var digits = String(Int(scaled) - whole * Int(scale))
        digits = String(repeating: "0", count: max(0, places - digits.count)) + digits
        while digits.hasSuffix("0"), !digits.isEmpty { digits.removeLast() }
        return (value < 0 ? "-" : "") + count(whole) + (places == 0 || digits.isEmpty ? "" : "." + digits)
    }
}
