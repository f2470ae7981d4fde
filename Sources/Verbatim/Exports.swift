// `import Verbatim` alone provides the reader of traces and the constants of records.
@_exported public import VerbatimSchema
@_exported public import VerbatimTrace
