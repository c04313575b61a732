import Needletail

/// What `load` is going to do with its files: which column is what, and what the collection must look like.
///
/// It is made from the files' headers and a sample of their rows, before anything is written.
package struct LoadPlan: Sendable {
    package struct Options: Sendable {
        package var idField: String?
        package var vectorField: String?
        /// Types that the user fixed; other columns are inferred.
        package var fields: [Field] = []
        package var metadata: String?
        package var skipsBadRows = false

        package init() {}
    }

    package struct PlannedField: Sendable, Hashable {
        /// The column's name in the file.
        package var column: String
        package var field: Field
        /// Whether values of other types are turned into strings.
        package var isMixed: Bool
    }

    package let files: [String]
    package let metadata: String?
    package let dimension: Int
    /// The type of the components where the files have one, and all the same.
    package let component: VectorFile.Component?
    /// Set for tables: the column that holds the vectors.
    package let vectorColumn: String?
    package let idColumn: String?
    /// Whether ids that come as text are numbers.
    package let idsAreNumbers: Bool
    package let fields: [PlannedField]
    package let payloadColumns: Set<String>
    /// The number of rows, where it is known without reading everything.
    package let rowCount: Int?
    package let byteCount: Int

    /// Rows looked at in each file to learn its columns.
    private static let sampleCount = 10_000

    /// Looks at the files.
    ///
    /// - Parameter schema: that of the collection, if it exists: its fields keep their types, and no other may come in.
    package init(files: [String], schema: Schema?, options: Options) throws(InputError) {
        precondition(!files.isEmpty)
        self.files = files
        metadata = options.metadata
        let vectorFiles = files.filter { VectorFile.pathExtensions.contains(Path.pathExtension(of: $0)) }
        for file in files where !vectorFiles.contains(file) && !TableReader.pathExtensions.contains(Path.pathExtension(of: file)) {
            throw InputError(file, status: .usage, "the ending tells no format; .fvecs, .bvecs, .npy, .jsonl and .csv are read")
        }
        let isTable = vectorFiles.isEmpty
        guard isTable || vectorFiles.count == files.count else {
            throw InputError(files[0], status: .usage, "vector files and tables cannot be loaded in one go; use --metadata, or load them one after the other")
        }
        if isTable, let metadata = options.metadata {
            throw InputError(metadata, status: .usage, "--metadata goes with .fvecs, .bvecs and .npy; the rows of \(files[0]) carry their own fields")
        }

        var inference = TypeInference()
        var isUntyped = false
        for table in isTable ? files : [options.metadata].compactMap({ $0 }) {
            let reader = try Self.sample(table, into: &inference, skipsBadRows: options.skipsBadRows)
            isUntyped = isUntyped || reader.isUntyped
        }

        // The vectors.
        if isTable {
            let column = try Self.vectorColumn(inference, named: options.vectorField, path: files[0])
            vectorColumn = column.name
            dimension = column.dimension
            component = nil
            rowCount = nil
            var total = 0
            for file in files { total += try MappedFile(path: file).bytes.count }
            byteCount = total
        } else {
            let opened = try Self.open(vectorFiles)
            vectorColumn = nil
            dimension = opened.dimension
            component = opened.component
            rowCount = opened.count
            byteCount = opened.byteCount
            if let metadata {
                // Also where bad rows are passed over, it must be certain where a row ends, or others would join the wrong vectors.
                let rows = try TableReader.countRows(path: metadata)
                guard rows == opened.count || options.skipsBadRows else {
                    throw InputError(metadata, "\(Format.counted(rows, "row")) of metadata for \(Format.counted(opened.count, "vector")); there must be one for each")
                }
            }
        }

        // Ids.
        if let name = options.idField {
            guard inference.columns.contains(name) else {
                let known = inference.columns.isEmpty ? "there are no fields" : "the fields are \(inference.columns.joined(separator: ", "))"
                throw InputError(options.metadata ?? files[0], status: .usage, "no field '\(name)' to take ids from; \(known)")
            }
            idColumn = name
        } else {
            idColumn = inference.columns.contains("id") ? "id" : nil
        }
        idsAreNumbers = isUntyped && idColumn.map { inference.meaning(of: $0) == .field(.int, isMixed: false) } ?? false

        // All else is a field, or goes into the payload.
        var fields: [PlannedField] = []
        var payloadColumns: Set<String> = []
        for column in inference.columns where column != idColumn && column != vectorColumn {
            let name = Self.fieldName(for: column)
            if let schema, let field = schema.field(name) {
                // What becomes text in a new collection does so when its load is resumed, too.
                let isMixed = inference.meaning(of: column) == .field(.string, isMixed: true) || options.fields.contains { $0.name == name || $0.name == column }
                fields.append(PlannedField(column: column, field: field, isMixed: isMixed && field.type == .string))
            } else if schema == nil, let field = options.fields.first(where: { $0.name == name || $0.name == column }) {
                fields.append(PlannedField(column: column, field: Field(name, field.type, indexed: field.isIndexed), isMixed: field.type == .string))
            } else if case .field(let type, let isMixed) = inference.meaning(of: column) {
                if let schema {
                    throw InputError(
                        options.metadata ?? files[0],
                        "field '\(column)' is none of the collection's (\(schema.fields.map(\.name).joined(separator: ", "))); "
                            + "leave it out of the file, or load into a new collection")
                }
                fields.append(PlannedField(column: column, field: Field(name, type), isMixed: isMixed))
            } else {
                payloadColumns.insert(column)
            }
        }
        if schema == nil {
            // Fields that the user named and that no sampled row has: rows to come may.
            for field in options.fields where !fields.contains(where: { $0.column == field.name || $0.field.name == field.name }) {
                fields.append(PlannedField(column: field.name, field: field, isMixed: field.type == .string))
            }
        }
        self.fields = fields
        self.payloadColumns = payloadColumns
    }

    /// The name of the field for a column: its own, with `_` behind it where results use that name themselves.
    private static func fieldName(for column: String) -> String {
        ["id", "distance", "score", "embedding"].contains(column) ? column + "_" : column
    }

    /// What the user should know of the plan.
    package var notes: [String] {
        fields.filter { $0.field.name != $0.column }.map {
            "field '\($0.column)' is stored as '\($0.field.name)', since results use the first name themselves"
        }
    }

    private static func sample(
        _ path: String, into inference: inout TypeInference, skipsBadRows: Bool
    ) throws(InputError) -> TableReader {
        var reader = try TableReader(path: path)
        var taken = 0
        while taken < sampleCount {
            do throws(InputError) {
                guard let row = try reader.next() else { break }
                inference.observe(row, names: reader.columns, isUntyped: reader.isUntyped)
                taken += 1
            } catch {
                if !skipsBadRows { throw error }
            }
        }
        return reader
    }

    private static func vectorColumn(
        _ inference: TypeInference, named name: String?, path: String
    ) throws(InputError) -> (name: String, dimension: Int) {
        guard let column = name ?? inference.firstVectorColumn else {
            throw InputError(path, "no field holds lists of numbers of one length; name the field with the vector with --vector-field, or mend the file")
        }
        guard inference.columns.contains(column) else {
            let known = inference.columns.isEmpty ? "there are no rows" : "the fields are \(inference.columns.joined(separator: ", "))"
            throw InputError(path, status: .usage, "no field '\(column)' to take vectors from; \(known)")
        }
        guard let dimension = inference.dimension(of: column) else {
            throw InputError(path, "field '\(column)' holds no lists of numbers; name another with --vector-field")
        }
        return (column, dimension)
    }

    private static func open(
        _ paths: [String]
    ) throws(InputError) -> (dimension: Int, component: VectorFile.Component?, count: Int, byteCount: Int) {
        let first = try VectorFile(path: paths[0])
        var (count, byteCount) = (first.count, first.file.bytes.count)
        var component: VectorFile.Component? = first.component
        for path in paths.dropFirst() {
            let file = try VectorFile(path: path)
            guard file.dimension == first.dimension else {
                throw InputError(path, "dimension \(file.dimension), but \(paths[0]) has \(first.dimension); load them into two collections")
            }
            // An element type taken from the first file would cost the others digits.
            if file.component != first.component { component = nil }
            count += file.count
            byteCount += file.file.bytes.count
        }
        return (first.dimension, component, count, byteCount)
    }
}
