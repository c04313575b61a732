import ArgumentParser
import Needletail

struct CreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty collection.",
        discussion: """
            Example:
              needletail create items.ntl items --dimension 384 --metric cosine \\
                --field title:string --field price:double

            'load' and 'images' make the collection they need by themselves; 'create' \
            is for those who want to fix it beforehand.
            """)

    @OptionGroup var target: CollectionArguments

    @Option(help: ArgumentHelp("Components of a vector.", valueName: "n"))
    var dimension: Int

    @Option(help: "How far apart two vectors are.")
    var metric: Metric = .l2

    @Option(help: "How components are stored.")
    var element: ElementType = .f32

    @Option(name: .customLong("field"), parsing: .singleValue, help: FieldOption.help)
    var fields: [FieldOption] = []

    @Flag(help: "Print what was made as JSON.")
    var json = false

    func run() async throws {
        let schema = Schema(dimension: dimension, metric: metric, element: element, fields: fields.map(\.field))
        let isNewFile = !Path.exists(target.database)
        let database = try Database(path: target.database, mode: .create)
        let collection: Needletail.Collection
        do {
            collection = try await database.createCollection(target.collection, schema: schema)
        } catch {
            if isNewFile { database.discard(target.database) }
            throw error
        }
        if json {
            print(try CollectionReport.json(name: collection.name, schema: schema, count: 0))
        } else {
            print("Made collection '\(collection.name)': \(CollectionReport.summary(of: schema)).")
        }
    }
}
