using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Azure.Core;

namespace Azure.Data.Tables;

/// <summary>One of the answers inside a transaction's multipart answer.</summary>
internal sealed class TransactionAnswer : Response
{
    private readonly List<HttpHeader> headers;
    private Stream? content;

    private TransactionAnswer(int status, string reason, List<HttpHeader> headers, ReadOnlyMemory<byte> body)
    {
        Status = status;
        ReasonPhrase = reason;
        this.headers = headers;
        // Response.Content wants a MemoryStream that shows its buffer.
        if (!body.IsEmpty)
            content = new MemoryStream(body.ToArray(), 0, body.Length, writable: false, publiclyVisible: true);
    }

    public override int Status { get; }

    public override string ReasonPhrase { get; }

    public override Stream? ContentStream
    {
        get => content;
        set => content = value;
    }

    public override string ClientRequestId { get; set; } = "";

    /// <summary>
    /// Reads all answers. A refused transaction has one, whatever the number of actions. Their bodies matter only there, so the
    /// boundary need not be known: the body of a refusal ends at the next line that starts with two dashes.
    /// </summary>
    public static List<Response> ReadAll(ReadOnlyMemory<byte> multipart, int expected)
    {
        var answers = new List<Response>(expected);
        var rest = multipart;
        while (true)
        {
            var start = rest.Span.IndexOf("HTTP/1.1 "u8);
            if (start < 0)
                return answers;
            rest = rest[(start + 9)..];
            var line = Line(ref rest);
            var status = int.Parse(line[..3], NumberStyles.None, CultureInfo.InvariantCulture);
            var reason = line.Length > 4 ? Encoding.ASCII.GetString(line[4..]) : "";
            var fields = new List<HttpHeader>(6);
            while (Line(ref rest) is { Length: > 0 } header)
                if (header.IndexOf((byte)':') is > 0 and var colon)
                    fields.Add(new HttpHeader(Encoding.ASCII.GetString(header[..colon]), Encoding.ASCII.GetString(header[(colon + 1)..].Trim((byte)' '))));
            var body = ReadOnlyMemory<byte>.Empty;
            if (status >= 400)
            {
                var end = rest.Span.IndexOf("\n--"u8);
                body = end < 0 ? rest : rest[..end];
            }

            answers.Add(new TransactionAnswer(status, reason, fields, body));
        }
    }

    public override void Dispose()
    {
    }

    protected override bool TryGetHeader(string name, [NotNullWhen(true)] out string? value)
    {
        foreach (var header in headers)
        {
            if (string.Equals(header.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                value = header.Value;
                return true;
            }
        }

        value = null;
        return false;
    }

    protected override bool TryGetHeaderValues(string name, [NotNullWhen(true)] out IEnumerable<string>? values)
    {
        values = TryGetHeader(name, out var value) ? [value] : null;
        return values is not null;
    }

    protected override bool ContainsHeader(string name) => TryGetHeader(name, out _);

    protected override IEnumerable<HttpHeader> EnumerateHeaders() => headers;

    private static ReadOnlySpan<byte> Line(ref ReadOnlyMemory<byte> rest)
    {
        var span = rest.Span;
        var end = span.IndexOf((byte)'\n');
        if (end < 0)
        {
            rest = default;
            return span;
        }

        rest = rest[(end + 1)..];
        return span[..end].TrimEnd((byte)'\r');
    }
}
