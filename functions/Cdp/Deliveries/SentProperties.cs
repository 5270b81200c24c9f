using System.Text;
using System.Text.Json;
using Cdp.Destinations;
using Cdp.Storage;

namespace Cdp.Deliveries;

/// <summary>
/// What has changed since a state destination was sent a profile last. Kept are hashes alone; they are not keyed, so who can read the table can try guesses.
/// What the destination itself has set or removed counts as there: it is noted and does not go back.
/// </summary>
internal static class SentProperties
{
    /// <param name="turned">The payload of <see cref="DeliveryView.Turned"/>; null where nothing is the destination's own.</param>
    /// <param name="everything">What was sent last is not certain.</param>
    /// <returns>What is to be sent, with what was there and is no more as null, and the row to write when it is taken.</returns>
    public static (Outgoing Outgoing, SentRow Row) Compare(Outgoing outgoing, JsonElement? turned, SentRow sent, bool everything)
    {
        var before = sent.Data.IsEmpty ? [] : JsonSerializer.Deserialize(sent.Data.Span, DeliveryJson.Default.DictionaryStringString) ?? [];
        var now = new Dictionary<string, string>(StringComparer.Ordinal);
        var changed = new HashSet<string>(StringComparer.Ordinal);
        if (outgoing.Payload.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in outgoing.Payload.EnumerateObject())
                now[property.Name] = Hash128.Of(Encoding.UTF8.GetBytes(property.Value.GetRawText())).ToString()[..16];
        }

        foreach (var (name, hash) in now)
        {
            var isOwn = turned is { ValueKind: JsonValueKind.Object } other && !other.TryGetProperty(name, out _);
            if (!isOwn && (everything || before.GetValueOrDefault(name) != hash))
                changed.Add(name);
        }

        var gone = before.Keys.Where(name => !now.ContainsKey(name) && !(turned is { ValueKind: JsonValueKind.Object } other && other.TryGetProperty(name, out _))).ToList();
        changed.UnionWith(gone);
        var payload = gone.Count == 0 ? outgoing.Payload : PayloadText.Element(json =>
        {
            json.WriteStartObject();
            foreach (var property in outgoing.Payload.EnumerateObject())
            {
                json.WritePropertyName(property.Name);
                PayloadText.Raw(json, property.Value);
            }

            foreach (var name in gone)
                json.WriteNull(name);
            json.WriteEndObject();
        });
        return (outgoing with { Payload = payload, Changed = changed }, sent with { Data = JsonSerializer.SerializeToUtf8Bytes(now, DeliveryJson.Default.DictionaryStringString) });
    }
}
