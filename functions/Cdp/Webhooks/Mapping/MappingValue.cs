using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Cdp.Webhooks.Mapping;

/// <summary>Something that a mapping takes or makes. Nothing is evaluated: there are these forms and no others.</summary>
internal abstract class MappingValue
{
    /// <summary>JSON; null where the value is absent.</summary>
    /// <exception cref="MappingFaultException">What is there cannot become what the mapping says.</exception>
    public abstract byte[]? Take(MappingScope scope);

    /// <summary>The bytes as the sender wrote them: numbers keep their digits, texts their escapes.</summary>
    protected static byte[] Raw(JsonElement value, MappingScope scope)
    {
        var raw = JsonMarshal.GetRawUtf8Value(value);
        scope.Spend(raw.Length);
        return raw.ToArray();
    }

    public static bool IsNull(ReadOnlySpan<byte> json) => json.SequenceEqual("null"u8);
}

/// <summary>The same for every payload.</summary>
internal sealed class ConstantValue(byte[] json) : MappingValue
{
    public override byte[] Take(MappingScope scope)
    {
        scope.Spend(json.Length);
        return json;
    }
}

/// <summary>A part of the payload, converted where the mapping says so. Null counts as absent, unless it is kept.</summary>
/// <param name="map">Other values for some; looked up by text.</param>
/// <param name="otherwise">For those that the map does not have; null: they stay.</param>
/// <param name="fallback">Where the path leads to nothing.</param>
/// <param name="currency">For money.</param>
internal sealed class PathValue(
    MappingPath path, string? kind, IReadOnlyDictionary<string, byte[]>? map, MappingValue? otherwise, MappingValue? fallback, bool keepNull, MappingValue? currency) : MappingValue
{
    public MappingPath Path => path;

    public override byte[]? Take(MappingScope scope)
    {
        if (!path.TryFind(scope, out var found))
            return fallback?.Take(scope);
        if (found.ValueKind == JsonValueKind.Null)
            return keepNull ? Raw(found, scope) : fallback?.Take(scope);
        if (map is not null)
        {
            if (Conversions.TextOrNull(found) is { } key && map.TryGetValue(key, out var mapped))
                return mapped;
            if (otherwise is not null)
                return otherwise.Take(scope);
        }

        if (kind is null)
            return Raw(found, scope);
        // Forms send an empty text for a number, a time or a flag that nobody filled in.
        if (kind != "text" && found.ValueKind == JsonValueKind.String && found.ValueEquals(""u8))
            return fallback?.Take(scope);
        return Conversions.To(kind, found, currency is null ? null : TemplateValue.TextOf(currency.Take(scope)));
    }
}

/// <summary>A text with parts of the payload in it. Where one of them is absent the whole is, unless the part is marked as optional.</summary>
internal sealed class TemplateValue(IReadOnlyList<TemplateValue.Part> parts) : MappingValue
{
    /// <param name="Literal">Null where the value is meant.</param>
    public readonly record struct Part(string? Literal, MappingValue? Value, bool Optional);

    public override byte[]? Take(MappingScope scope)
    {
        var text = new StringBuilder();
        foreach (var part in parts)
        {
            if (part.Literal is not null)
                text.Append(part.Literal);
            else if (TextOf(part.Value!.Take(scope)) is { } value)
                text.Append(value);
            else if (!part.Optional)
                return null;
        }

        var json = MappingJson.Quote(text.ToString());
        scope.Spend(json.Length);
        return json;
    }

    /// <summary>The text of a text, a number or a boolean; null where the value is absent or null.</summary>
    public static string? TextOf(byte[]? json)
    {
        if (json is null || IsNull(json))
            return null;
        if (json[0] != (byte)'"')
        {
            return json[0] is (byte)'{' or (byte)'['
                ? throw new MappingFaultException("an object or a list, and no text")
                : Encoding.ASCII.GetString(json);
        }

        var reader = new Utf8JsonReader(json);
        reader.Read();
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            throw new MappingFaultException("a text with half of a surrogate pair");
        }
    }
}

/// <summary>The first that is there, and neither null nor an empty text.</summary>
internal sealed class FirstValue(IReadOnlyList<MappingValue> values) : MappingValue
{
    public override byte[]? Take(MappingScope scope)
    {
        foreach (var value in values)
        {
            if (value.Take(scope) is { } json && !IsNull(json) && !json.AsSpan().SequenceEqual("\"\""u8))
                return json;
        }

        return null;
    }
}

/// <summary>A list of values; those that are absent are left out.</summary>
internal sealed class ListValue(IReadOnlyList<MappingValue> values) : MappingValue
{
    public override byte[] Take(MappingScope scope)
    {
        using var json = new MemoryStream();
        json.WriteByte((byte)'[');
        foreach (var value in values)
        {
            if (value.Take(scope) is not { } item)
                continue;
            if (json.Length > 1)
                json.WriteByte((byte)',');
            json.Write(item);
        }

        json.WriteByte((byte)']');
        return json.ToArray();
    }
}

/// <summary>A list with one entry for each of a list of the payload; absent where there is no list or it gives nothing.</summary>
/// <param name="firstOnly">Not a list: the first entry that there is.</param>
internal sealed class EachValue(MappingPath list, MappingCondition? when, MappingValue item, bool firstOnly) : MappingValue
{
    public override byte[]? Take(MappingScope scope)
    {
        if (!list.TryFind(scope, out var found) || found.ValueKind != JsonValueKind.Array)
            return null;
        if (found.GetArrayLength() > WebhookLimits.ListEntries)
            throw new MappingFaultException($"a list of more than {WebhookLimits.ListEntries} entries");
        using var json = new MemoryStream();
        json.WriteByte((byte)'[');
        var outer = scope.Item;
        foreach (var entry in found.EnumerateArray())
        {
            scope.Item = entry;
            if ((when is not null && when.Failing(scope) is not null) || item.Take(scope) is not { } taken)
                continue;
            if (firstOnly)
            {
                scope.Item = outer;
                return taken;
            }

            if (json.Length > 1)
                json.WriteByte((byte)',');
            json.Write(taken);
        }

        scope.Item = outer;
        json.WriteByte((byte)']');
        return json.Length == 2 ? null : json.ToArray();
    }
}

/// <summary>An object of named values; those that are absent are left out, and so is an object without any.</summary>
/// <param name="all">An object of the payload whose other members are taken as they are; null for none.</param>
/// <param name="without">Members of that object which are not taken.</param>
/// <param name="named">Members whose names come from the payload too; those that have a name already are passed over.</param>
internal sealed class ObjectValue(
    IReadOnlyList<(string Name, MappingValue Value)> members, IReadOnlyList<(MappingValue Name, MappingValue Value)> named, MappingPath? all, IReadOnlySet<string> without) : MappingValue
{
    public override byte[]? Take(MappingScope scope)
    {
        using var json = new MemoryStream();
        json.WriteByte((byte)'{');
        foreach (var (name, value) in members)
        {
            byte[]? given;
            try
            {
                given = value.Take(scope);
            }
            catch (MappingFaultException exception)
            {
                throw new MappingFaultException(exception.Message) { At = exception.At.Length == 0 ? name : name + "." + exception.At };
            }

            if (given is not null)
                Append(json, MappingJson.Quote(name), given);
        }

        HashSet<string>? taken = null;
        foreach (var (nameValue, value) in named)
        {
            if (TemplateValue.TextOf(nameValue.Take(scope)) is { Length: > 0 } name && IsFree(name) && (taken ??= new HashSet<string>(StringComparer.Ordinal)).Add(name)
                && value.Take(scope) is { } item)
            {
                Append(json, MappingJson.Quote(name), item);
            }
        }

        if (all is not null && all.TryFind(scope, out var found) && found.ValueKind == JsonValueKind.Object)
            AppendAll(json, found, scope, taken);
        json.WriteByte((byte)'}');
        return json.Length == 2 ? null : json.ToArray();
    }

    private void AppendAll(MemoryStream json, JsonElement found, MappingScope scope, HashSet<string>? besides)
    {
        foreach (var member in found.EnumerateObject())
        {
            if (!IsFree(member.Name) || besides?.Contains(member.Name) == true)
                continue;
            Append(json, MappingJson.Quote(member.Name), Raw(member.Value, scope));
        }
    }

    /// <summary>No member of its own has the name, and it is not left out.</summary>
    private bool IsFree(string name)
    {
        if (without.Contains(name))
            return false;
        foreach (var (own, _) in members)
        {
            if (own == name)
                return false;
        }

        return true;
    }

    private static void Append(MemoryStream json, byte[] name, byte[] value)
    {
        if (json.Length > 1)
            json.WriteByte((byte)',');
        json.Write(name);
        json.WriteByte((byte)':');
        json.Write(value);
    }
}
