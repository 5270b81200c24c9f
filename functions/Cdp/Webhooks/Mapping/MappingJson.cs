using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cdp.Webhooks.Mapping;

[JsonSerializable(typeof(string))]
internal sealed partial class MappingJson : JsonSerializerContext
{
    private static readonly JsonWriterOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A text as JSON, with its quotes.</summary>
    public static byte[] Quote(string text)
    {
        using var stream = new MemoryStream(text.Length + 16);
        using (var json = new Utf8JsonWriter(stream, Writing))
            json.WriteStringValue(text);
        return stream.ToArray();
    }
}
