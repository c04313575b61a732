import Foundation
import NeedletailIndex

/// How far apart two vectors are.
///
/// Distances are computed in 32-bit floats. They are good to six digits or so for vectors whose lengths lie between 1e-18 and 1e18;
/// the products of shorter or longer ones leave the range of a float.
public enum Metric: String, Codable, Sendable, Hashable, CaseIterable {
    /// Euclidean distance, `‖x − q‖`. (Squares are compared inside; what is reported is the root.)
    case l2
    /// Cosine distance, `1 − cos(x, q)`, from 0 (same direction) to 2 (opposite), also where rounding would lead a little beyond.
    /// Vectors of zeros are refused.
    case cosine
    /// Negative inner product, `−x · q`: the greater the product, the nearer.
    case dot

    var indexMetric: NeedletailIndex.Metric {
        switch self {
        case .l2: .l2
        case .cosine: .cosine
        case .dot: .dot
        }
    }

    /// The distance that users of the metric expect, from the one that search compares.
    func reported(_ distance: Float) -> Double {
        switch self {
        case .l2: Double(max(0, distance)).squareRoot()
        case .cosine, .dot: Double(distance)
        }
    }

    /// The inverse of ``reported(_:)``, for radius search; rounded up, so that the radius itself is inside.
    func compared(_ distance: Double) -> Float {
        switch self {
        case .l2: Float(distance * distance).nextUp
        case .cosine, .dot: Float(distance).nextUp
        }
    }

    /// Greater is better: cosine similarity, inner product, or the negative Euclidean distance.
    func score(_ distance: Float) -> Double {
        switch self {
        case .l2: -reported(distance)
        case .cosine: 1 - Double(distance)
        case .dot: -Double(distance)
        }
    }
}

/// How each component of a vector is stored.
public enum ElementType: String, Codable, Sendable, Hashable, CaseIterable {
    /// 32-bit float: 4 bytes a component, exact.
    case f32
    /// 16-bit float: half the size; about three decimal digits, magnitudes up to 65,504.
    case f16
    /// 8-bit integer: a quarter of the size; components must be whole numbers from −128 to 127.
    case i8

    /// Bytes a component takes.
    public var byteCount: Int {
        switch self {
        case .f32: 4
        case .f16: 2
        case .i8: 1
        }
    }

    var indexElement: NeedletailIndex.Element {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .i8: .i8
        }
    }
}

/// A typed metadata field of a collection. Every field may be null.
public struct Field: Codable, Sendable, Hashable {
    /// The name that filters and records use.
    public var name: String
    /// What its values are.
    public var type: FieldType
    /// Whether the field has an ordered index: for records in its order, and for filters that few records pass. Filters and orders
    /// work without it, by reading the whole column. A list of strings cannot have one.
    public var isIndexed: Bool

    /// Makes a field.
    public init(_ name: String, _ type: FieldType, indexed: Bool = false) {
        self.name = name
        self.type = type
        self.isIndexed = indexed
    }
}

/// Which model made a collection's vectors, so that a query made by another is refused.
public struct EmbeddingModel: Codable, Sendable, Hashable, CustomStringConvertible {
    /// The model's name.
    public var name: String
    /// The model's version, as its makers write it.
    public var version: String
    /// A checksum of its weights, as text: two models are the same if and only if this is.
    public var checksum: String

    /// Makes a description of a model.
    public init(name: String, version: String, checksum: String) {
        self.name = name
        self.version = version
        self.checksum = checksum
    }

    /// Name, version and the start of the checksum.
    public var description: String { (version.isEmpty ? name : "\(name) version \(version)") + " (\(checksum.prefix(12)))" }
}

/// What the records of a collection hold: one vector, and typed fields.
public struct Schema: Codable, Sendable, Hashable {
    /// The largest dimension a vector may have.
    public static let maximumDimension = 65_536
    /// The largest number of fields.
    public static let maximumFieldCount = 1_000

    /// The name of the vector, for statements and tools.
    public var vectorName: String
    /// Components of a vector, 1 to ``maximumDimension``.
    public var dimension: Int
    /// How vectors are compared.
    public var metric: Metric
    /// How components are stored.
    public var element: ElementType
    /// The metadata fields, in order.
    public var fields: [Field]
    /// The model that made the vectors, if it is known.
    public var model: EmbeddingModel?

    /// Makes a schema. It is checked when a collection is created with it.
    public init(
        dimension: Int, metric: Metric = .l2, element: ElementType = .f32, fields: [Field] = [],
        vectorName: String = "embedding", model: EmbeddingModel? = nil
    ) {
        self.vectorName = vectorName
        self.dimension = dimension
        self.metric = metric
        self.element = element
        self.fields = fields
        self.model = model
    }

    /// Bytes that one vector takes in the file.
    public var vectorByteCount: Int { dimension * element.byteCount }

    /// The field of this name.
    public func field(_ name: String) -> Field? { fields.first { $0.name == name } }

    /// The position of the field of this name, or an error that names the nearest one.
    func position(of name: String) throws(NeedletailError) -> Int {
        if let position = fields.firstIndex(where: { $0.name == name }) { return position }
        throw unknownField(name, among: fields.map(\.name))
    }

    /// The error for a name that no field has.
    func unknownField(_ name: String, among names: [String]) -> NeedletailError {
        let remedy =
            if let guess = TextDiagnostic.nearest(to: name, among: names) {
                "did you mean '\(guess)'?"
            } else if names.isEmpty {
                "the collection has no fields"
            } else if names.count <= 20 {
                "its fields are " + names.joined(separator: ", ")
            } else {
                "there are \(names.count) others"
            }
        return NeedletailError(.unknownField, "no field is named '\(name)': \(remedy)")
    }

    func validate() throws(NeedletailError) {
        guard (1 ... Schema.maximumDimension).contains(dimension) else {
            throw NeedletailError(
                .invalidArgument, "a dimension of \(dimension) is not possible: it must be 1 to \(Schema.maximumDimension)", actual: dimension)
        }
        guard fields.count <= Schema.maximumFieldCount else {
            throw NeedletailError(.tooLarge, "\(fields.count) fields are too many: a collection has at most \(Schema.maximumFieldCount)")
        }
        var seen: Set<String> = [vectorName]
        for field in fields {
            guard !field.name.isEmpty, field.name.utf8.count <= 200, !field.name.utf8.contains(0) else {
                throw NeedletailError(.invalidArgument, "'\(field.name)' cannot name a field: a name has 1 to 200 bytes")
            }
            guard !["id", "distance", "score"].contains(field.name) else {
                throw NeedletailError(
                    .invalidArgument, "a field cannot be named '\(field.name)', which results use themselves: choose another name")
            }
            guard !(field.isIndexed && field.type == .strings) else {
                throw NeedletailError(
                    .invalidArgument,
                    "the field '\(field.name)' is a list of strings, which has no order, so it cannot be indexed: declare it without (CONTAINS works all the same)")
            }
            guard seen.insert(field.name).inserted else {
                throw NeedletailError(.invalidArgument, "two fields (or a field and the vector) are named '\(field.name)'")
            }
        }
    }
}
