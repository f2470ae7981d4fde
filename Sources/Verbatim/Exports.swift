// `import Verbatim` alone gives everything that a record says.
@_exported public import VerbatimSchema
