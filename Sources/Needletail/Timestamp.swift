import Foundation

/// An instant in time: whole microseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// The text form is ISO 8601: `2024-01-31`, `2024-01-31T12:00`, `2024-01-31T12:00:00.250Z`, `2024-01-31 12:00:00+02:00`.
public struct Timestamp: Hashable, Sendable {
    /// The offset from 1970-01-01T00:00:00Z in microseconds, negative before it.
    public var microsecondsSince1970: Int64

    /// The instant this many microseconds after 1970-01-01T00:00:00Z.
    public init(microsecondsSince1970: Int64) {
        self.microsecondsSince1970 = microsecondsSince1970
    }

    /// The instant that Foundation calls `date`, to the nearest microsecond; `nil` if it is out of range.
    public init?(_ date: Date) {
        guard let value = Int64(exactly: (date.timeIntervalSince1970 * 1_000_000).rounded()) else { return nil }
        self.init(microsecondsSince1970: value)
    }

    /// The instant as a Foundation `Date`. A `Double` cannot hold all microseconds far from 2001.
    public var date: Date { Date(timeIntervalSince1970: Double(microsecondsSince1970) / 1_000_000) }

    /// The current time of the system's clock.
    public static var now: Timestamp { Timestamp(Date()) ?? Timestamp(microsecondsSince1970: 0) }
}

extension Timestamp: Comparable {
    /// Earlier is less.
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microsecondsSince1970 < b.microsecondsSince1970 }
}

// MARK: - ISO 8601

extension Timestamp {
    /// Reads a date, or a date and a time, in ISO 8601; `nil` where the text is anything else or no real date.
    ///
    /// - A date is `YYYY-MM-DD` (years 0000 to 9999, Gregorian throughout), or with a signed year of six digits `±YYYYYY-MM-DD`.
    /// - A time follows after `T` or one blank: `hh:mm`, `hh:mm:ss`, or `hh:mm:ss.f` with up to nine digits, of which six count.
    /// - An offset may follow the time: `Z`, `±hh`, `±hhmm` or `±hh:mm`. Without one, the time is UTC.
    public init?(iso8601 text: some StringProtocol) {
        var text = String(text)
        let value = text.withUTF8 { bytes -> Int64? in
            var reader = ISO8601Reader(bytes: bytes)
            return reader.timestamp()
        }
        guard let value else { return nil }
        self.init(microsecondsSince1970: value)
    }

    /// The instant in ISO 8601 and UTC, such as `2024-01-31T12:00:00Z`, with a fraction of six digits only where there is one.
    /// `init(iso8601:)` reads it back to the same value, for every value.
    public var iso8601: String {
        let (seconds, microseconds) = Self.floorDivide(microsecondsSince1970, 1_000_000)
        let (days, secondOfDay) = Self.floorDivide(seconds, 86_400)
        let (year, month, day) = Self.civil(daysSince1970: days)
        var text = ""
        text.reserveCapacity(32)
        if (0 ... 9999).contains(year) {
            Self.append(year, digits: 4, to: &text)
        } else {
            text.append(year < 0 ? "-" : "+")
            Self.append(abs(year), digits: 6, to: &text)
        }
        text.append("-")
        Self.append(month, digits: 2, to: &text)
        text.append("-")
        Self.append(day, digits: 2, to: &text)
        text.append("T")
        Self.append(secondOfDay / 3600, digits: 2, to: &text)
        text.append(":")
        Self.append(secondOfDay / 60 % 60, digits: 2, to: &text)
        text.append(":")
        Self.append(secondOfDay % 60, digits: 2, to: &text)
        if microseconds != 0 {
            text.append(".")
            Self.append(microseconds, digits: 6, to: &text)
        }
        text.append("Z")
        return text
    }

    private static func append(_ value: Int64, digits: Int, to text: inout String) {
        let decimal = String(value)
        for _ in 0 ..< max(0, digits - decimal.utf8.count) { text.append("0") }
        text.append(decimal)
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
        return remainder < 0 ? (quotient - 1, remainder + b) : (quotient, remainder)
    }
}

extension Timestamp: CustomStringConvertible {
    /// The time in ISO 8601.
    public var description: String { iso8601 }
}

/// The ISO 8601 text, as one string.
extension Timestamp: Codable {
    /// Reads a string in ISO 8601.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Timestamp(iso8601: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not an ISO 8601 timestamp")
        }
        self = value
    }

    /// Writes a string in ISO 8601.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(iso8601)
    }
}

// MARK: - The Gregorian calendar

// Howard Hinnant's "chrono-compatible low-level date algorithms": years begin in March, so that the leap day comes last,
// and 400 years (an era) have 146,097 days.
extension Timestamp {
    fileprivate static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(shifted, 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    fileprivate static func dayCount(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// One pass over the bytes of a timestamp; every method consumes what it returns.
private struct ISO8601Reader {
    let bytes: UnsafeBufferPointer<UInt8>
    var offset = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func timestamp() -> Int64? {
        guard let days = date() else { return nil }
        guard offset < bytes.count else { return microseconds(days: days, seconds: 0, fraction: 0) }
        guard take("T") || take("t") || take(" ") else { return nil }
        guard let hour = number(digits: 2), hour < 24, take(":"), let minute = number(digits: 2), minute < 60 else { return nil }
        var second: Int64 = 0
        var fraction: Int64 = 0
        if take(":") {
            guard let value = number(digits: 2), value < 60 else { return nil }
            second = value
            if take(".") || take(",") {
                guard let value = fractionMicroseconds() else { return nil }
                fraction = value
            }
        }
        guard let zone = zoneOffsetSeconds(), offset == bytes.count else { return nil }
        return microseconds(days: days, seconds: hour * 3600 + minute * 60 + second - zone, fraction: fraction)
    }

    private mutating func date() -> Int64? {
        var year: Int64
        let negative = take("-")
        if negative || take("+") {
            guard let value = number(digits: 6), !(negative && value == 0) else { return nil }
            year = negative ? -value : value
        } else {
            guard let value = number(digits: 4) else { return nil }
            year = value
        }
        guard take("-"), let month = number(digits: 2), (1 ... 12).contains(month),
            take("-"), let day = number(digits: 2), day >= 1, day <= Timestamp.dayCount(year: year, month: month)
        else { return nil }
        return Timestamp.daysSince1970(year: year, month: month, day: day)
    }

    private mutating func fractionMicroseconds() -> Int64? {
        var value: Int64 = 0
        var digits = 0
        while let digit = digit() {
            digits += 1
            guard digits <= 9 else { return nil }
            if digits <= 6 { value = value * 10 + digit }
        }
        guard digits > 0 else { return nil }
        for _ in 0 ..< max(0, 6 - digits) { value *= 10 }
        return value
    }

    /// The offset from UTC in seconds, 0 where none is given.
    private mutating func zoneOffsetSeconds() -> Int64? {
        if offset == bytes.count || take("Z") || take("z") { return 0 }
        let negative = take("-")
        guard negative || take("+"), let hour = number(digits: 2), hour < 24 else { return nil }
        var seconds = hour * 3600
        if offset < bytes.count {
            _ = take(":")
            guard let minute = number(digits: 2), minute < 60 else { return nil }
            seconds += minute * 60
        }
        return negative ? -seconds : seconds
    }

    /// The sum, or `nil` on overflow. Seconds and fraction are added to the days in seconds first, so that a sum in range is never
    /// lost to an intermediate value out of range.
    private func microseconds(days: Int64, seconds: Int64, fraction: Int64) -> Int64? {
        let total = days * 86_400 + seconds
        // A negative total is made less negative by its fraction: borrow one second, so that both parts have one sign.
        let (whole, part) = total < 0 && fraction > 0 ? (total + 1, fraction - 1_000_000) : (total, fraction)
        let (product, overflow) = whole.multipliedReportingOverflow(by: 1_000_000)
        let (sum, sumOverflow) = product.addingReportingOverflow(part)
        return overflow || sumOverflow ? nil : sum
    }

    private mutating func number(digits: Int) -> Int64? {
        var value: Int64 = 0
        for _ in 0 ..< digits {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    private mutating func digit() -> Int64? {
        guard offset < bytes.count, (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains(bytes[offset]) else { return nil }
        defer { offset += 1 }
        return Int64(bytes[offset] - UInt8(ascii: "0"))
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }
}
