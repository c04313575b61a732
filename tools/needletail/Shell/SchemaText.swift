import Needletail

/// A collection as the statement that would make it.
package struct SchemaText: Sendable {
    /// The statement, in lines, with its semicolon.
    package let statement: String

    init(_ collection: CollectionInformation) {
        let schema = collection.schema
        let element = schema.element == .f32 ? "" : " \(schema.element.rawValue.uppercased())"
        var columns = ["\(CompletionSource.quoted(schema.vectorName)) VECTOR(\(schema.dimension))\(element)"]
        columns += schema.fields.map { "\(CompletionSource.quoted($0.name)) \($0.type.rawValue.uppercased())\($0.isIndexed ? " INDEXED" : "")" }
        var text = "CREATE COLLECTION \(CompletionSource.quoted(collection.name)) (\n  " + columns.joined(separator: ",\n  ")
            + "\n) WITH (metric = \(schema.metric.rawValue));"
        if let model = schema.model { text += "\n-- embedded by \(model)" }
        statement = text
    }
}
