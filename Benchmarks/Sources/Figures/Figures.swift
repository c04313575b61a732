import Foundation

/// `Figures NAME ARGUMENT...`: measures one thing and prints JSON lines. `Benchmarks/run` calls it, and knows the arguments.
@main
struct Figures {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch arguments.first {
            case "open": try OpenFigure(arguments.dropFirst()).run()
            case "scan": try ScanFigure(arguments.dropFirst()).run()
            case "batch": try BatchFigure(arguments.dropFirst()).serve()
            case "insert": try await InsertFigure(arguments.dropFirst()).run()
            case "index": try await IndexFigure(arguments.dropFirst()).run()
            case "plan": try await PlanFigure(arguments.dropFirst()).run()
            case "first": try FirstQueryFigure(arguments.dropFirst()).run()
            case "sgemm": SgemmFigure().run()
            case "embed": try EmbedFigure(arguments.dropFirst()).run()
            default: throw Usage("Figures open|scan|batch|insert|index|plan|first|sgemm|embed ARGUMENT...")
            }
        } catch {
            FileHandle.standardError.write(Data("Figures: \(error)\n".utf8))
            exit(error is Usage ? 64 : 1)
        }
    }
}

/// How a figure is asked for.
struct Usage: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = "usage: " + description }
}
