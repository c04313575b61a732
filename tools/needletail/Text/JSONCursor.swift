/// A reader of JSON (RFC 8259) that goes over the bytes once.
///
/// It exists for its speed: Foundation's parser makes a boxed number of every component of a vector, and the loader
/// reads vectors by the million. Numbers become `Float`s without a detour, correctly rounded (see ``JSONNumber``).
package struct JSONCursor {
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    /// The depth at which nesting is refused, so that hostile input cannot exhaust the stack.
    private static let depthLimit = 256

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Reads one value that takes up the whole text.
    package static func value(of text: UnsafeRawBufferPointer) throws(JSONSyntaxError) -> JSONValue {
        var cursor = JSONCursor(text)
        let value = try cursor.value()
        try cursor.end()
        return value
    }

    /// Reads one value that takes up the whole text.
    package static func value(of text: String) throws(JSONSyntaxError) -> JSONValue {
        var text = text
        let result: Result<JSONValue, JSONSyntaxError> = text.withUTF8 { utf8 in
            do throws(JSONSyntaxError) { return .success(try value(of: UnsafeRawBufferPointer(utf8))) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Reads an object that takes up the whole text, and hands each member to `body` in the order of the text. The lists of
    /// the members named in `verbatim` come as their text.
    package static func members(
        of text: UnsafeRawBufferPointer, verbatim: Set<String> = [], _ body: (String, JSONValue) throws(JSONSyntaxError) -> Void
    ) throws(JSONSyntaxError) {
        var cursor = JSONCursor(text)
        cursor.skipBlanks()
        guard cursor.take(UInt8(ascii: "{")) else { throw cursor.unexpected("an object, '{…}'") }
        cursor.skipBlanks()
        if !cursor.take(UInt8(ascii: "}")) {
            repeat {
                cursor.skipBlanks()
                guard cursor.peek == UInt8(ascii: "\"") else { throw cursor.unexpected("a name in double quotes") }
                let name = try cursor.string()
                cursor.skipBlanks()
                guard cursor.take(UInt8(ascii: ":")) else { throw cursor.unexpected("':'") }
                try body(name, !verbatim.isEmpty && verbatim.contains(name) ? cursor.verbatimValue() : cursor.value())
                cursor.skipBlanks()
            } while cursor.take(UInt8(ascii: ","))
            guard cursor.take(UInt8(ascii: "}")) else { throw cursor.unexpected("',' or '}'") }
        }
        try cursor.end()
    }

    /// Reads the next value.
    mutating func value() throws(JSONSyntaxError) -> JSONValue {
        skipBlanks()
        switch peek {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "["): return try list()
        case UInt8(ascii: "{"):
            let start = offset
            try skip(depth: 0)
            return .other(text(from: start))
        case UInt8(ascii: "t"):
            try word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
            return .null
        default:
            let number = try number()
            if let integer = number.integer { return .int(integer) }
            let double = number.double(in: bytes)
            guard double.isFinite else {
                throw JSONSyntaxError(offset: number.range.lowerBound, message: "a number beyond 1.8e308, the largest that can be kept")
            }
            return .double(double)
        }
    }

    /// Reads the next value, a list as its text.
    private mutating func verbatimValue() throws(JSONSyntaxError) -> JSONValue {
        skipBlanks()
        guard peek == UInt8(ascii: "[") else { return try value() }
        let start = offset
        try skip(depth: 0)
        return .other(text(from: start))
    }

    /// Checks that nothing but blanks follows.
    mutating func end() throws(JSONSyntaxError) {
        skipBlanks()
        guard offset == bytes.count else { throw unexpected("the end of the line") }
    }

    // MARK: Lists

    private mutating func list() throws(JSONSyntaxError) -> JSONValue {
        let start = offset
        offset += 1
        skipBlanks()
        if take(UInt8(ascii: "]")) { return .strings([]) }
        switch peek {
        case UInt8(ascii: "\""):
            var strings: [String] = []
            while peek == UInt8(ascii: "\"") {
                strings.append(try string())
                switch try separator() {
                case .end: return .strings(strings)
                case .next: continue
                }
            }
        case let byte? where byte == UInt8(ascii: "-") || byte.isDigit:
            var numbers: [Float] = []
            while let byte = peek, byte == UInt8(ascii: "-") || byte.isDigit {
                numbers.append(try number().float(in: bytes))
                switch try separator() {
                case .end: return .numbers(numbers)
                case .next: continue
                }
            }
        default: break
        }
        // Neither of the two lists that have a meaning here: check its form, keep its text.
        offset = start
        try skip(depth: 0)
        return .other(text(from: start))
    }

    private enum Separator { case next, end }

    private mutating func separator() throws(JSONSyntaxError) -> Separator {
        skipBlanks()
        if take(UInt8(ascii: "]")) { return .end }
        guard take(UInt8(ascii: ",")) else { throw unexpected("',' or ']'") }
        skipBlanks()
        return .next
    }

    /// Goes over a value, checking its form only.
    private mutating func skip(depth: Int) throws(JSONSyntaxError) {
        guard depth < Self.depthLimit else {
            throw JSONSyntaxError(offset: offset, message: "nested more than \(Self.depthLimit) deep")
        }
        skipBlanks()
        switch peek {
        case UInt8(ascii: "["):
            offset += 1
            skipBlanks()
            if take(UInt8(ascii: "]")) { return }
            repeat {
                try skip(depth: depth + 1)
                skipBlanks()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { throw unexpected("',' or ']'") }
        case UInt8(ascii: "{"):
            offset += 1
            skipBlanks()
            if take(UInt8(ascii: "}")) { return }
            repeat {
                skipBlanks()
                guard peek == UInt8(ascii: "\"") else { throw unexpected("a name in double quotes") }
                _ = try string()
                skipBlanks()
                guard take(UInt8(ascii: ":")) else { throw unexpected("':'") }
                try skip(depth: depth + 1)
                skipBlanks()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "}")) else { throw unexpected("',' or '}'") }
        default: _ = try value()
        }
    }

    // MARK: Strings

    private mutating func string() throws(JSONSyntaxError) -> String {
        offset += 1
        let start = offset
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") {
                let content = UnsafeRawBufferPointer(rebasing: bytes[start ..< offset])
                guard let string = String(validating: content, as: UTF8.self) else {
                    throw JSONSyntaxError(offset: start, message: "the string is not UTF-8")
                }
                offset += 1
                return string
            }
            if byte == UInt8(ascii: "\\") {
                offset = start
                return try escapedString()
            }
            guard byte >= 0x20 else { break }
            offset += 1
        }
        throw unexpected("the end of a string, '\"'")
    }

    private mutating func escapedString() throws(JSONSyntaxError) -> String {
        let start = offset
        var utf8: [UInt8] = []
        while offset < bytes.count {
            let byte = bytes[offset]
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: utf8, as: UTF8.self) else {
                    throw JSONSyntaxError(offset: start, message: "the string is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"):
                offset += 1
                try escape(into: &utf8)
            case 0 ..< 0x20: throw unexpected("the end of a string, '\"'")
            default:
                utf8.append(byte)
                offset += 1
            }
        }
        throw unexpected("the end of a string, '\"'")
    }

    private mutating func escape(into utf8: inout [UInt8]) throws(JSONSyntaxError) {
        guard let byte = peek else { throw unexpected("an escape") }
        let position = offset - 1
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): utf8.append(byte)
        case UInt8(ascii: "b"): utf8.append(8)
        case UInt8(ascii: "f"): utf8.append(12)
        case UInt8(ascii: "n"): utf8.append(10)
        case UInt8(ascii: "r"): utf8.append(13)
        case UInt8(ascii: "t"): utf8.append(9)
        case UInt8(ascii: "u"):
            var code = UInt32(try fourHexDigits())
            if code & 0xFC00 == 0xD800 {
                // A character beyond the first 65,536 is written as two halves; half a character is none.
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
                    throw JSONSyntaxError(offset: position, message: "half a surrogate pair")
                }
                let low = UInt32(try fourHexDigits())
                guard low & 0xFC00 == 0xDC00 else { throw JSONSyntaxError(offset: position, message: "half a surrogate pair") }
                code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
            }
            guard let scalar = Unicode.Scalar(code) else { throw JSONSyntaxError(offset: position, message: "half a surrogate pair") }
            utf8.append(contentsOf: String(Character(scalar)).utf8)
        default: throw JSONSyntaxError(offset: position, message: "unknown escape")
        }
    }

    private mutating func fourHexDigits() throws(JSONSyntaxError) -> UInt16 {
        var code: UInt16 = 0
        for _ in 0 ..< 4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw unexpected("four hexadecimal digits")
            }
            code = code << 4 | UInt16(digit)
            offset += 1
        }
        return code
    }

    // MARK: Small steps

    var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    mutating func skipBlanks() {
        while offset < bytes.count {
            let byte = bytes[offset]
            guard byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A else { return }
            offset += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard offset < bytes.count, bytes[offset] == byte else { return false }
        offset += 1
        return true
    }

    private mutating func word(_ word: StaticString) throws(JSONSyntaxError) {
        let matches = word.withUTF8Buffer { expected in
            offset + expected.count <= bytes.count && bytes[offset ..< offset + expected.count].elementsEqual(expected)
        }
        guard matches else { throw unexpected("a value") }
        offset += word.utf8CodeUnitCount
    }

    private mutating func number() throws(JSONSyntaxError) -> JSONNumber {
        guard let number = JSONNumber(bytes, at: offset) else { throw unexpected("a value") }
        offset = number.range.upperBound
        return number
    }

    private func text(from start: Int) -> String { String(decoding: bytes[start ..< offset], as: UTF8.self) }

    private func unexpected(_ wanted: String) -> JSONSyntaxError {
        guard let byte = peek else { return JSONSyntaxError(offset: offset, message: "the text ends where \(wanted) should be") }
        if byte == UInt8(ascii: "N") || byte == UInt8(ascii: "I") || byte == UInt8(ascii: "-") {
            return JSONSyntaxError(offset: offset, message: "no JSON value (NaN and Infinity are none)")
        }
        let shown = byte >= 0x20 && byte < 0x7F ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
        return JSONSyntaxError(offset: offset, message: "\(shown) where \(wanted) should be")
    }
}

extension UInt8 {
    var isDigit: Bool { self &- 0x30 < 10 }
}
