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
}
