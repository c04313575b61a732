/// Numbers as people read them.
package enum Format {
    /// `1234567` as `1,234,567`.
    package static func count(_ value: Int) -> String {
        var digits = String(value.magnitude)
        var result = ""
        while digits.count > 3 {
            result = "," + digits.suffix(3) + result
            digits.removeLast(3)
        }
        return (value < 0 ? "-" : "") + digits + result
    }

    /// `value` with this many digits behind the point.
    package static func decimal(_ value: Double, digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0 ..< digits { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 9e18 else { return "\(value)" }
        let whole = Int64(scaled)
        let sign = value < 0 && whole != 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let divisor = Int64(scale)
        let fraction = String(whole % divisor)
        return "\(sign)\(whole / divisor)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// A number of bytes in powers of 1,024: `512 B`, `1.5 KiB`, `3.2 GiB`.
    package static func bytes(_ count: Int) -> String {
        guard abs(count) >= 1024 else { return "\(count) B" }
        var value = Double(count)
        for unit in ["KiB", "MiB", "GiB", "TiB"] {
            value /= 1024
            // 1023.95 would be rounded to 1024.0 of this unit.
            if abs(value) < 1023.95 || unit == "TiB" { return "\(decimal(value, digits: 1)) \(unit)" }
        }
        return "\(count) B"
    }

    /// A rate or count in few characters: `950`, `1.2k`, `85k`, `3.4M`.
    package static func short(_ value: Double) -> String {
        switch abs(value) {
        case ..<10: decimal(value, digits: value == value.rounded() ? 0 : 1)
        case ..<999.5: decimal(value, digits: 0)
        case ..<9_950: decimal(value / 1e3, digits: 1) + "k"
        case ..<999_500: decimal(value / 1e3, digits: 0) + "k"
        case ..<9_950_000: decimal(value / 1e6, digits: 1) + "M"
        default: decimal(value / 1e6, digits: 0) + "M"
        }
    }

    /// A time span: `0.42 s`, `12.3 s`, `4:05`, `1:02:03`.
    package static func seconds(_ value: Double) -> String {
        guard value.isFinite, value < 1e9 else { return "?" }
        if value < 1 { return decimal(value, digits: 2) + " s" }
        if value < 60 { return decimal(value, digits: 1) + " s" }
        return clock(value)
    }

    /// Time left, in whole seconds: `0:07`, `4:05`, `1:02:03`.
    package static func clock(_ value: Double) -> String {
        let total = Int(value.rounded(.up))
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60)
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds))" : "\(minutes):\(two(seconds))"
    }

    /// A share in per cent: `0.4 %`, `12 %`.
    package static func percent(_ share: Double) -> String { decimal(share * 100, digits: share < 0.0995 ? 1 : 0) + " %" }

    /// `count` and a noun: `1 picture`, `12 pictures`.
    package static func counted(_ count: Int, _ noun: String) -> String {
        "\(self.count(count)) \(noun)\(count == 1 ? "" : "s")"
    }
}

extension Duration {
    /// The duration in seconds.
    package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
