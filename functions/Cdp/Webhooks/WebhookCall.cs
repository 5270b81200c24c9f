namespace Cdp.Webhooks;

/// <summary>A request of a webhook's sender, as far as it matters here.</summary>
/// <param name="Url">As the sender knows it, with its query.</param>
/// <param name="Headers">By name, ignoring case; without those that carry credentials: mappings can read them.</param>
/// <param name="Authorization">The header of this name.</param>
/// <param name="WriteKey">From headers or query.</param>
public readonly record struct WebhookCall(
    string SourceId, string Method, string Url, ReadOnlyMemory<byte> Body, IReadOnlyDictionary<string, string> Headers, string? Authorization = null, string? WriteKey = null)
{
    public string? Header(string name) => Headers.GetValueOrDefault(name);
}
