/// The requests of the demo's agent: a question with a tool, and the same conversation with the tool's result.
enum DemoRequests {
    static let questions = [
        "Which file in this directory is the largest?",
        "(the result of `ls -lS | head -3`)",
    ]

    static let all = [
        #"{"model":"mock/scripted-1","messages":[\#(question)],"tools":[\#(tool)],"stream":true}"#,
        """
        {"model":"mock/scripted-1","messages":[\(question),\(call),\(result)],"tools":[\(tool)],"stream":true}
        """,
    ]

    private static let question =
        #"{"role":"user","content":"Which file in this directory is the largest?"}"#

    private static let tool = """
        {"type":"function","function":{"name":"bash","description":"Run a command",\
        "parameters":{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}}}
        """

    private static let call = """
        {"role":"assistant","content":null,"tool_calls":[{"id":"chatcmpl-tool-a9a69afc24caabd5","type":"function",\
        "function":{"name":"bash","arguments":"{\\"command\\": \\"ls -lS | head -3\\"}"}}]}
        """

    private static let result = """
        {"role":"tool","tool_call_id":"chatcmpl-tool-a9a69afc24caabd5",\
        "content":"total 8.9G\\n-rw-r--r-- 1 me me 4.8G model.safetensors\\n-rw-r--r-- 1 me me 2.1G optimizer.pt"}
        """
}
