using System.Globalization;
using System.Text;
using Azure.Core;
using Azure.Core.Pipeline;

namespace Azure.Storage;

/// <summary>
/// Signs requests to queues and blobs: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
/// </summary>
internal sealed class SharedKeyPolicy(StorageAccount account) : HttpPipelineSynchronousPolicy
{
    public override void OnSendingRequest(HttpMessage message)
    {
        var request = message.Request;
        request.Headers.SetValue("x-ms-date", TimeProvider.System.GetUtcNow().ToString("r", CultureInfo.InvariantCulture));
        var text = new StringBuilder(512);
        text.Append(request.Method.Method).Append('\n');
        AppendHeader(text, request, "Content-Encoding");
        AppendHeader(text, request, "Content-Language");
        if (request.Content is not null && request.Content.TryComputeLength(out var length) && length > 0)
            text.Append(length);
        text.Append('\n');
        AppendHeader(text, request, "Content-MD5");
        AppendHeader(text, request, "Content-Type");
        text.Append('\n');
        AppendHeader(text, request, "If-Modified-Since");
        AppendHeader(text, request, "If-Match");
        AppendHeader(text, request, "If-None-Match");
        AppendHeader(text, request, "If-Unmodified-Since");
        AppendHeader(text, request, "Range");
        AppendCanonicalHeaders(text, request);
        AppendCanonicalResource(text, request.Uri.ToUri());
        request.Headers.SetValue("Authorization", $"SharedKey {account.Name}:{account.Sign(text.ToString())}");
    }

    private static void AppendHeader(StringBuilder text, Request request, string name)
    {
        if (request.Headers.TryGetValue(name, out var value))
            text.Append(value);
        text.Append('\n');
    }

    private static void AppendCanonicalHeaders(StringBuilder text, Request request)
    {
        var headers = new List<(string Name, string Value)>(8);
        foreach (var header in request.Headers)
            if (header.Name.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase))
                headers.Add((header.Name.ToLowerInvariant(), header.Value));
        headers.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        foreach (var (name, value) in headers)
            text.Append(name).Append(':').Append(value).Append('\n');
    }

    private void AppendCanonicalResource(StringBuilder text, Uri uri)
    {
        text.Append('/').Append(account.Name).Append(uri.AbsolutePath);
        if (uri.Query.Length <= 1)
            return;
        var parameters = new List<(string Name, string Value)>(4);
        foreach (var part in uri.Query[1..].Split('&'))
        {
            var split = part.IndexOf('=', StringComparison.Ordinal);
            var name = split < 0 ? part : part[..split];
            parameters.Add((Uri.UnescapeDataString(name).ToLowerInvariant(), split < 0 ? "" : Uri.UnescapeDataString(part[(split + 1)..])));
        }

        parameters.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        foreach (var (name, value) in parameters)
            text.Append('\n').Append(name).Append(':').Append(value);
    }
}
