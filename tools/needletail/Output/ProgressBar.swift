#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A line on standard error that tells how far a long command is: bar, count, rate, time left.
///
/// It is drawn on a terminal only, at most ten times a second, and wiped away at the end.
package struct ProgressBar {
    private let label: String
    private let unit: String
    private let total: Int
    private let isShown: Bool
    private let start = ContinuousClock.now
    private var drawn: ContinuousClock.Instant?

    /// - Parameters:
    ///   - label: what is being done.
    ///   - total: how many units there are to do; 0 where that is not known.
    ///   - unit: what is counted, in the plural; `bytes` are shown as such.
    package init(_ label: String, total: Int, unit: String) {
        self.label = label
        self.unit = unit
        self.total = total
        isShown = Terminal.standardErrorIsTerminal
    }

    /// Says how much is done. Cheap enough to be called for every unit of work.
    package mutating func update(_ done: Int) {
        guard isShown else { return }
        let now = ContinuousClock.now
        // Nor is it drawn at once: what ends soon needs no bar, and a first rate would be chance.
        if now - (drawn ?? start) < .milliseconds(100) { return }
        drawn = now
        // Room for the ^C that the terminal may echo behind it: on the next line it would push the bar out of reach.
        let width = (Terminal.width(of: STDERR_FILENO) ?? 80) - 2
        let line = Self.line(label: label, unit: unit, done: done, total: total, seconds: (now - start).seconds, width: width)
        Terminal.writeError("\r\u{1B}[2K" + line)
    }

    /// Wipes the line away.
    package mutating func finish() {
        guard isShown, drawn != nil else { return }
        Terminal.writeError("\r\u{1B}[2K")
        drawn = nil
    }

    /// The line for a terminal of `width` columns. The last column stays free, since some terminals would wrap.
    /// Where it gets narrow, first the bar goes, then the rate, then the label.
    package static func line(label: String, unit: String, done: Int, total: Int, seconds: Double, width: Int) -> String {
        let room = max(0, width - 1)
        func amount(_ value: Int) -> String { unit == "bytes" ? Format.bytes(value) : Format.count(value) }
        let rate = seconds > 0 ? Double(done) / seconds : 0
        let rateText = unit == "bytes" ? Format.bytes(Int(rate)) + "/s" : Format.short(rate) + " \(unit)/s"
        guard total > 0 else {
            return TextWidth.fit("\(label)  \(amount(done))  \(rateText)", width: room)
        }
        let share = min(1, max(0, Double(done) / Double(total)))
        let percent = Format.decimal((share * 100).rounded(.down), digits: 0) + "%"
        let left = rate > 0 ? Format.clock(Double(max(0, total - done)) / rate) + " left" : ""
        let count = "\(amount(done))/\(amount(total))"

        let full = [label, "", percent, count, rateText, left].filter { !$0.isEmpty }
        let fullWidth = full.reduce(0) { $0 + TextWidth.of($1) } + 2 * (full.count - 1)
        let barWidth = min(40, room - fullWidth - 2)
        if barWidth >= 8 {
            return ([label, bar(share, width: barWidth)] + full.dropFirst()).joined(separator: "  ")
        }
        for parts in [full, [label, percent, count, left], [label, percent, left], [percent, left]] {
            let line = parts.filter { !$0.isEmpty }.joined(separator: "  ")
            if TextWidth.of(line) <= room { return line }
        }
        return TextWidth.fit(percent, width: room)
    }

    private static func bar(_ share: Double, width: Int) -> String {
        let eighths = Int(share * Double(width * 8))
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        let full = eighths / 8
        let part = parts[eighths % 8]
        return String(repeating: "█", count: full) + part + String(repeating: "░", count: width - full - (part.isEmpty ? 0 : 1))
    }
}
