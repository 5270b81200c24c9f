using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Azure.Core;

namespace Azure.Data.Tables;

/// <summary>
/// One of the answers inside a transaction's multipart answer. Of a hundred only the ETags are usually looked at, so headers stay
/// bytes until they are asked for.
/// </summary>
internal sealed class TransactionAnswer : Response
{
    private readonly ReadOnlyMemory<byte> head;
    private Stream? content;

    private TransactionAnswer(int status, string reason, ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> body)
    {
        Status = status;
        ReasonPhrase = reason;
        this.head = head;
        // Response.Content wants a MemoryStream that shows its buffer.
        if (!body.IsEmpty)
            content = new MemoryStream(body.ToArray(), 0, body.Length, writable: false, publiclyVisible: true);
    }

    public override int Status { get; }

    public override string ReasonPhrase { get; }

    public override bool IsError => Status >= 400;

    public override Stream? ContentStream
    {
        get => content;
        set => content = value;
    }

    public override string ClientRequestId { get; set; } = "";

    /// <summary>
    /// Reads all answers. A refused transaction has one, whatever the number of actions. Bodies matter only there, so the boundary
    /// need not be known: the body of a refusal ends at the next line that starts with two dashes.
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
            var reason = line.Length <= 4 ? "" : line[4..].SequenceEqual("No Content"u8) ? "No Content" : Encoding.ASCII.GetString(line[4..]);
            var headers = rest;
            while (!Line(ref rest).IsEmpty)
            {
                // The empty line ends the headers.
            }

            var body = ReadOnlyMemory<byte>.Empty;
            if (status >= 400)
            {
                var end = rest.Span.IndexOf("\n--"u8);
                body = end < 0 ? rest : rest[..end];
            }

            answers.Add(new TransactionAnswer(status, reason, headers[..(headers.Length - rest.Length)], body));
        }
    }

    public override void Dispose()
    {
    }

    protected override bool TryGetHeader(string name, [NotNullWhen(true)] out string? value)
    {
        var rest = head;
        while (Line(ref rest) is { Length: > 0 } line)
        {
            var colon = line.IndexOf((byte)':');
            if (colon == name.Length && Ascii.EqualsIgnoreCase(line[..colon], name))
            {
                value = Encoding.ASCII.GetString(line[(colon + 1)..].Trim((byte)' '));
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

    protected override IEnumerable<HttpHeader> EnumerateHeaders()
    {
        foreach (var line in Encoding.ASCII.GetString(head.Span).Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
            if (line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
                yield return new HttpHeader(line[..colon], line[(colon + 1)..].Trim());
    }

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
