using System.Globalization;
using System.Text;
using System.Text.Json;
using Azure.Storage;

namespace Azure.Data.Tables;

/// <summary>Entities as JSON with minimal metadata: types stand beside a property where JSON has no such type.</summary>
internal static class TableJson
{
    private const string TypeSuffix = "@odata.type";

    // The default encoder, as in the official client: it writes ASCII only, and that matters, because Azurite decodes a body chunk by
    // chunk and would break a character that stands across two. Validation would only check this class.
    private static readonly JsonWriterOptions WriterOptions = new() { SkipValidation = true };

    // Entities of one table have the same few property names: a name is made a string once, not once a row.
    private static readonly string?[] Names = new string?[256];

    public static Utf8JsonWriter CreateWriter(PooledBuffer buffer) => new(buffer, WriterOptions);

    /// <exception cref="RequestFailedException">The entity is beyond a limit of the service.</exception>
    /// <exception cref="NotSupportedException">A property's type is none the service has.</exception>
    public static void Write(Utf8JsonWriter json, TableEntity entity)
    {
        var size = 4 + (entity.PartitionKey.Length + entity.RowKey.Length) * 2;
        var count = 0;
        json.WriteStartObject();
        foreach (var (name, value) in entity.Properties)
        {
            if (name is TableEntity.ETagName or TableEntity.TimestampName || value is null)
                continue;
            if (name is TableEntity.PartitionKeyName or TableEntity.RowKeyName)
            {
                json.WriteString(name, (string)value);
                continue;
            }

            if (name.Length > TableLimits.PropertyNameChars)
                throw TableLimits.PropertyNameTooLong();
            count++;
            size += 8 + name.Length * 2 + Write(json, name, value);
        }

        json.WriteEndObject();
        json.Flush();
        if (count > TableLimits.Properties)
            throw TableLimits.TooManyProperties();
        if (size > TableLimits.EntityBytes)
            throw TableLimits.EntityTooLarge();
    }

    /// <summary>Reads the entity whose opening brace the reader has just read.</summary>
    public static TableEntity Read(ref Utf8JsonReader json)
    {
        var properties = new Dictionary<string, object?>(8);
        ReadOnlySpan<byte> suffix = "@odata.type"u8;
        string? typedName = null;
        string? type = null;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueSpan.EndsWith(suffix))
            {
                var annotated = Name(json.ValueSpan[..^suffix.Length], json.ValueIsEscaped);
                json.Read();
                var annotation = Name(json.ValueSpan, json.ValueIsEscaped);
                // The service writes the type before the value; the protocol does not say that it must.
                if (properties.TryGetValue(annotated, out var value))
                    properties[annotated] = Retype(value, annotation);
                else
                    (typedName, type) = (annotated, annotation);
                continue;
            }

            if (json.ValueTextEquals("odata.metadata"u8))
            {
                json.Read();
                json.Skip();
                continue;
            }

            var name = json.ValueIsEscaped ? json.GetString()! : Name(json.ValueSpan, escaped: false);
            json.Read();
            var known = string.Equals(name, typedName, StringComparison.Ordinal) ? type : null;
            if (known is null && string.Equals(name, TableEntity.TimestampName, StringComparison.Ordinal))
                known = "Edm.DateTime";
            properties[name] = ReadValue(ref json, known);
        }

        return new TableEntity(properties);
    }

    private static int Write(Utf8JsonWriter json, string name, object value)
    {
        switch (value)
        {
            case byte[] bytes:
                return WriteBinary(json, name, bytes);
            case BinaryData data:
                return WriteBinary(json, name, data.ToMemory().Span);
            case string text:
                if (text.Length > TableLimits.StringChars)
                    throw TableLimits.PropertyValueTooLarge();
                json.WriteString(name, text);
                return text.Length * 2 + 4;
            case int number:
                json.WriteNumber(name, number);
                return 4;
            case long number:
                Annotate(json, name, "Edm.Int64");
                json.WriteString(name, number.ToString(CultureInfo.InvariantCulture));
                return 8;
            case double number:
                Annotate(json, name, "Edm.Double");
                if (double.IsFinite(number))
                    json.WriteNumber(name, number);
                else
                    json.WriteString(name, double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                return 8;
            case bool flag:
                json.WriteBoolean(name, flag);
                return 1;
            case Guid guid:
                Annotate(json, name, "Edm.Guid");
                json.WriteString(name, guid);
                return 16;
            case DateTimeOffset time:
                return WriteTime(json, name, time.UtcDateTime);
            case DateTime time:
                return WriteTime(json, name, time.ToUniversalTime());
            default:
                throw new NotSupportedException($"A property of type {value.GetType()} is not supported.");
        }
    }

    private static int WriteBinary(Utf8JsonWriter json, string name, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > TableLimits.BinaryBytes)
            throw TableLimits.PropertyValueTooLarge();
        Annotate(json, name, "Edm.Binary");
        json.WriteBase64String(name, bytes);
        return bytes.Length + 4;
    }

    private static int WriteTime(Utf8JsonWriter json, string name, DateTime utc)
    {
        Annotate(json, name, "Edm.DateTime");
        json.WriteString(name, utc.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture));
        return 8;
    }

    private static void Annotate(Utf8JsonWriter json, string name, string type)
    {
        Span<char> annotated = stackalloc char[TableLimits.PropertyNameChars + TypeSuffix.Length];
        name.CopyTo(annotated);
        TypeSuffix.CopyTo(annotated[name.Length..]);
        json.WriteString(annotated[..(name.Length + TypeSuffix.Length)], type);
    }

    private static object? ReadValue(ref Utf8JsonReader json, string? type) => (json.TokenType, type) switch
    {
        (JsonTokenType.Null, _) => null,
        (JsonTokenType.True, _) => true,
        (JsonTokenType.False, _) => false,
        (JsonTokenType.Number, "Edm.Double") => json.GetDouble(),
        (JsonTokenType.Number, "Edm.Int64") => json.GetInt64(),
        (JsonTokenType.Number, _) => json.TryGetInt32(out var number) ? (object)number : json.GetDouble(),
        (JsonTokenType.String, "Edm.Binary") => json.GetBytesFromBase64(),
        (JsonTokenType.String, null or "Edm.String") => json.GetString(),
        (JsonTokenType.String, _) => Retype(json.GetString(), type),
        _ => throw new NotSupportedException($"A table entity has no value of the form {json.TokenType}."),
    };

    private static object? Retype(object? value, string type) => (value, type) switch
    {
        (string text, "Edm.Binary") => Convert.FromBase64String(text),
        (string text, "Edm.DateTime") => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind),
        (string text, "Edm.Guid") => Guid.Parse(text),
        (string text, "Edm.Int64") => long.Parse(text, CultureInfo.InvariantCulture),
        (string text, "Edm.Double") => double.Parse(text, CultureInfo.InvariantCulture),
        (int number, "Edm.Double") => (double)number,
        (int number, "Edm.Int64") => (long)number,
        _ => value,
    };

    private static string Name(ReadOnlySpan<byte> utf8, bool escaped)
    {
        if (escaped || utf8.Length > 32)
            return Encoding.UTF8.GetString(utf8);
        var hash = 17;
        foreach (var b in utf8)
            hash = unchecked(hash * 31 + b);
        ref var slot = ref Names[hash & 255];
        if (slot is { } known && Same(known, utf8))
            return known;
        return slot = Encoding.UTF8.GetString(utf8);
    }

    private static bool Same(string known, ReadOnlySpan<byte> utf8)
    {
        if (known.Length != utf8.Length)
            return false;
        for (var i = 0; i < utf8.Length; i++)
            if (known[i] != utf8[i])
                return false;
        return true;
    }
}
