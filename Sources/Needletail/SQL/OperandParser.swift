/// Reads values, vectors and parameters, and numbers the parameters.
package struct OperandParser: Sendable {
    /// The greatest number of a parameter so far.
    package private(set) var parameterCount = 0

    /// A `?`, if one is here.
    mutating func parameter(_ tokens: inout TokenStream) throws(NeedletailError) -> Int? {
        guard case .parameter(let number) = tokens.current.kind else { return nil }
        let own = number ?? parameterCount + 1
        guard own <= TokenStream.maximumParameter else {
            throw tokens.error("a statement has at most \(TokenStream.maximumParameter) parameters")
        }
        try tokens.advance()
        parameterCount = max(parameterCount, own)
        return own
    }

    /// Anything that a field, a vector or a setting may be given.
    mutating func operand(_ tokens: inout TokenStream) throws(NeedletailError) -> Operand {
        let offset = tokens.current.range.lowerBound
        if let number = try parameter(&tokens) { return Operand(.parameter(number), at: offset) }
        switch tokens.current.kind {
        case .symbol(.leftBracket):
            return Operand(try list(&tokens), at: offset)
        case .word(let word):
            switch word.uppercased() {
            case "NULL":
                try tokens.advance()
                return Operand(.value(.null), at: offset)
            case "RECORD", "IMAGE":
                return Operand(try call(word.lowercased(), &tokens), at: offset)
            default: break
            }
        default: break
        }
        var literals = FilterParser()
        return Operand(.value(try literals.value(&tokens)), at: offset)
    }

    /// A query vector.
    mutating func vector(_ tokens: inout TokenStream) throws(NeedletailError) -> Operand {
        let token = tokens.current
        switch token.kind {
        case .symbol(.leftBracket), .parameter:
            break
        case .word where token.isWord("RECORD") || token.isWord("IMAGE"):
            break
        case .string(let text):
            // As pgvector has it. What is in the string is a text of its own; errors point at the string.
            try tokens.advance()
            guard let vector = Self.vector(in: text) else {
                throw tokens.error(
                    "the string is no vector, such as '[0.1, 0.2]'; a picture is image('…'), a record of the collection record('…')",
                    at: token.range.lowerBound)
            }
            return Operand(.vector(vector), at: token.range.lowerBound)
        default:
            throw tokens.unexpected("a query vector: [0.1, …], record('id'), image('file') or ?", candidates: ["RECORD", "IMAGE"])
        }
        let operand = try operand(&tokens)
        if case .value = operand.content {
            throw tokens.error("a query vector is a list of numbers such as [0.1, 0.2]", at: operand.offset)
        }
        return operand
    }
}

extension OperandParser {
    /// `record('id')` or `image('file')`.
    private mutating func call(_ function: String, _ tokens: inout TokenStream) throws(NeedletailError) -> Term {
        try tokens.advance()
        try tokens.expect(.leftParenthesis, "after \(function)")
        let offset = tokens.current.range.lowerBound
        let argument: Operand
        if let number = try parameter(&tokens) {
            argument = Operand(.parameter(number), at: offset)
        } else {
            switch tokens.current.kind {
            case .string, .number, .symbol(.minus): break
            default:
                throw tokens.unexpected(
                    function == "record" ? "the id of a record, a string or an integer" : "the name of a picture in single quotes")
            }
            var literals = FilterParser()
            let value = try literals.value(&tokens)
            switch value {
            case .string: break
            case .int where function == "record": break
            default:
                throw tokens.error(
                    function == "record" ? "an id is a string or an integer" : "the name of a picture is written in single quotes", at: offset)
            }
            argument = Operand(.value(value), at: offset)
        }
        try tokens.expect(.rightParenthesis, "after the argument of \(function)")
        return function == "record" ? .record(argument) : .image(argument)
    }

    /// `[0.1, 0.2]`, a vector, or `['a', 'b']`, a list of strings, as is `[]`.
    private func list(_ tokens: inout TokenStream) throws(NeedletailError) -> Term {
        try tokens.advance()
        if try tokens.take(.rightBracket) { return .value(.strings([])) }
        if case .string = tokens.current.kind {
            var strings: [String] = []
            repeat {
                guard case .string(let string) = tokens.current.kind else { throw tokens.unexpected("a string in single quotes") }
                strings.append(string)
                try tokens.advance()
            } while try tokens.take(.comma)
            guard try tokens.take(.rightBracket) else { throw tokens.unexpected("',' or ']' in the list of strings") }
            return .value(.strings(strings))
        }
        var vector: [Float] = []
        repeat { vector.append(try component(&tokens)) } while try tokens.take(.comma)
        guard try tokens.take(.rightBracket) else { throw tokens.unexpected("',' or ']' in the vector") }
        return .vector(vector)
    }

    private func component(_ tokens: inout TokenStream) throws(NeedletailError) -> Float {
        let offset = tokens.current.range.lowerBound
        let isNegative = try tokens.take(.minus)
        if !isNegative { _ = try tokens.take(.plus) }
        guard case .number(let digits) = tokens.current.kind else { throw tokens.unexpected("a number of the vector") }
        guard let magnitude = Float(digits), magnitude.isFinite else {
            throw tokens.error("the number \(digits) is out of the range of a 32-bit float", at: offset)
        }
        try tokens.advance()
        return isNegative ? -magnitude : magnitude
    }

    /// The vector that a text such as `[0.1, 0.2]` is; `nil` for any other text.
    static func vector(in text: String) -> [Float]? {
        do throws(NeedletailError) {
            var tokens = try TokenStream(text)
            guard tokens.current.kind == .symbol(.leftBracket) else { return nil }
            let list = try OperandParser().list(&tokens)
            guard tokens.current.kind == .end, case .vector(let vector) = list else { return nil }
            return vector
        } catch {
            return nil
        }
    }
}
