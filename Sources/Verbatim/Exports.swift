// `import Verbatim` alone gives the reader of traces, and the words of a record.
@_exported public import VerbatimSchema
@_exported public import VerbatimTrace
