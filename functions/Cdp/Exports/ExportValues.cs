using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Exports;

/// <summary>The values of one row, each as JSON text without white space, and what tells whether any of them changed. Used again for each row.</summary>
internal sealed class ExportValues : IDisposable
{
    private const byte Separator = (byte)'\n';

    private readonly ImmutableArray<ExportColumn> columns;
    private readonly (int Start, int Length)[] values;
    private readonly ArrayBufferWriter<byte> text = new(1024);
    private readonly byte[] names;
    private readonly Utf8JsonWriter json;

    public ExportValues(ImmutableArray<ExportColumn> columns)
    {
        this.columns = columns;
        values = new (int, int)[columns.Length];
        // Relaxed: nothing here is ever part of an HTML page, and people read these files.
        json = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });
        names = Encoding.UTF8.GetBytes(string.Concat(columns.Select(static column => column.Name + "\n")));
    }

    public int Count => values.Length;

    /// <summary>The value of a column; empty where there is none.</summary>
    public ReadOnlySpan<byte> this[int column] => text.WrittenSpan.Slice(values[column].Start, values[column].Length);

    /// <summary>
    /// Of all names and values, so that a row is an update where any value differs, and where there are other columns than last time. Values of
    /// different columns cannot be mistaken: none has a line feed.
    /// </summary>
    public ulong Hash => Hash128.Of(text.WrittenSpan).High;

    public void Read(ProfileId id, ExportMember? member)
    {
        text.ResetWrittenCount();
        text.Write(names);
        for (var i = 0; i < columns.Length; i++)
        {
            var start = text.WrittenCount;
            if (columns[i].Kind == ExportColumnKind.ProfileId)
                WriteText(id.Value);
            else if (member is not null)
                Write(columns[i], member);
            values[i] = (start, text.WrittenCount - start);
            text.Write([Separator]);
        }
    }

    public void Dispose() => json.Dispose();

    private void Write(ExportColumn column, ExportMember member)
    {
        switch (column.Kind)
        {
            case ExportColumnKind.Identifier:
                if (Owned(member.Profile, column.Source).FirstOrDefault() is { } last)
                    WriteText(last.Identifier.Value);
                break;
            case ExportColumnKind.Identifiers:
                WriteList(Owned(member.Profile, column.Source).Select(static owned => owned.Identifier.Value));
                break;
            case ExportColumnKind.Trait:
                WriteTrait(member.Profile, column.Source);
                break;
            case ExportColumnKind.AllIdentifiers:
                WriteIdentifiers(member.Profile);
                break;
            case ExportColumnKind.AllTraits:
                WriteObject(member.Profile.Traits.Where(static trait => !trait.Value.IsDeleted), static trait => trait.Value);
                break;
            case ExportColumnKind.AllComputedTraits:
                WriteObject(member.ComputedTraits, static computed => Encoding.UTF8.GetBytes(computed));
                break;
            case ExportColumnKind.Segments:
                WriteList(member.Segments);
                break;
            case ExportColumnKind.CreatedAt:
                WriteTime(member.Profile, member.Profile.CreatedAt);
                break;
            case ExportColumnKind.FirstSeenAt:
                WriteTime(member.Profile, member.Profile.FirstSeenAt);
                break;
            case ExportColumnKind.LastSeenAt:
                WriteTime(member.Profile, member.Profile.LastSeenAt);
                break;
            default:
                if (member.ComputedTraits.TryGetValue(column.Source, out var computed))
                    WriteCompact(Encoding.UTF8.GetBytes(computed));
                break;
        }
    }

    /// <summary>The one seen last first.</summary>
    private static IEnumerable<OwnedIdentifier> Owned(Profile profile, string type) => profile.Identifiers
        .Where(owned => owned.Identifier.Type == type)
        .OrderByDescending(static owned => owned.LastSeenAt)
        .ThenBy(static owned => owned.Identifier.Value, StringComparer.Ordinal);

    /// <summary>A list; nothing where it is empty.</summary>
    private void WriteList(IEnumerable<string> items)
    {
        var any = false;
        foreach (var item in items)
        {
            text.Write(any ? ","u8 : "["u8);
            WriteText(item);
            any = true;
        }

        if (any)
            text.Write("]"u8);
    }

    /// <summary>Lists of values by type; nothing where there are none.</summary>
    private void WriteIdentifiers(Profile profile)
    {
        var any = false;
        foreach (var type in profile.Identifiers.Select(static owned => owned.Identifier.Type).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            text.Write(any ? ","u8 : "{"u8);
            WriteText(type);
            text.Write(":"u8);
            WriteList(Owned(profile, type).Select(static owned => owned.Identifier.Value));
            any = true;
        }

        if (any)
            text.Write("}"u8);
    }

    /// <summary>An object with its members in one order, so that it changes only where they do; nothing where there are none.</summary>
    private void WriteObject<T>(IEnumerable<KeyValuePair<string, T>> members, Func<T, ReadOnlyMemory<byte>> value)
    {
        var any = false;
        foreach (var (name, member) in members.OrderBy(static member => member.Key, StringComparer.Ordinal))
        {
            text.Write(any ? ","u8 : "{"u8);
            WriteText(name);
            text.Write(":"u8);
            WriteCompact(value(member).Span);
            any = true;
        }

        if (any)
            text.Write("}"u8);
    }

    private void WriteTime(Profile profile, Instant at)
    {
        if (!profile.IsEmpty)
            WriteText(at.ToString());
    }

    private void WriteText(string value)
    {
        json.Reset();
        json.WriteStringValue(value);
        json.Flush();
    }

    private void WriteTrait(Profile profile, string path)
    {
        var steps = path.Split('.');
        if (!profile.Traits.TryGetValue(steps[0], out var trait))
            return;
        var value = trait.Value;
        foreach (var name in steps.AsSpan(1))
            value = Member(value, name);
        if (!value.Span.SequenceEqual("null"u8))
            WriteCompact(value.Span);
    }

    /// <summary>A member of an object; empty where the value is none, or has none of this name.</summary>
    private static ReadOnlyMemory<byte> Member(ReadOnlyMemory<byte> value, string name)
    {
        if (value.IsEmpty)
            return default;
        var reader = new Utf8JsonReader(value.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            return default;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(name);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (found)
                return value[start..(int)reader.BytesConsumed];
        }

        return default;
    }

    /// <summary>
    /// Leaves the white space out and nothing else: what a JSON library would write is not always what was sent (long numbers, lone surrogates), and a
    /// line of JSON lines must not break.
    /// </summary>
    private void WriteCompact(ReadOnlySpan<byte> value)
    {
        var target = text.GetSpan(value.Length);
        var length = 0;
        var quoted = false;
        for (var i = 0; i < value.Length; i++)
        {
            var b = value[i];
            if (quoted && b == (byte)'\\')
            {
                target[length++] = b;
                b = value[++i];
            }
            else if (b == (byte)'"')
                quoted = !quoted;
            else if (!quoted && b is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
                continue;
            target[length++] = b;
        }

        text.Advance(length);
    }
}
