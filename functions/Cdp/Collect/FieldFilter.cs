using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Sources;

namespace Cdp.Collect;

/// <summary>
/// A source's rules on fields, applied to events in their stored form: so they hold whoever wrote a member, the sender, its batch or the
/// server, and however its name is spelled.
/// </summary>
internal sealed class FieldFilter
{
    // A source stays the same object until the sources are read again.
    private static readonly ConditionalWeakTable<IReadOnlyList<FieldRule>, FieldFilter> Made = [];

    private readonly Member root = new([]);

    private FieldFilter(IReadOnlyList<FieldRule> rules)
    {
        foreach (var rule in rules)
        {
            var member = root;
            foreach (var name in rule.Path.Split('.'))
                member = member.Inner(Encoding.UTF8.GetBytes(name));
            member.Dropped = true;
        }

        var context = root.Find("context"u8);
        DropsAddress = context?.Find("ip"u8) is { Dropped: true };
        DropsUserAgent = context?.Find("userAgent"u8) is { Dropped: true };
    }

    /// <summary>The client's address need not be written at all: where nothing else is in it, there is no <c>context</c> either.</summary>
    public bool DropsAddress { get; }

    public bool DropsUserAgent { get; }

    /// <summary>Null where the source has no rules.</summary>
    public static FieldFilter? Of(Source source) =>
        source.FieldRules is { Count: > 0 } rules ? Made.GetValue(rules, static rules => new FieldFilter(rules)) : null;

    /// <summary>Takes the members out, in place.</summary>
    /// <param name="line">An event in its stored form, and whatever follows it.</param>
    /// <returns>What is left of the line, in bytes.</returns>
    public int Apply(Span<byte> line)
    {
        // What is kept is moved to the front only where the reader has passed.
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        var kept = new Kept(line);
        reader.Read();
        Apply(ref reader, root, ref kept);
        return kept.Finish();
    }

    private static void Apply(ref Utf8JsonReader reader, Member rules, ref Kept kept)
    {
        var end = (int)reader.BytesConsumed;
        var isFirst = true;
        var isCut = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var start = (int)reader.TokenStartIndex;
            var rule = rules.Find(ref reader);
            reader.Read();
            if (rule is { Dropped: true })
            {
                reader.Skip();
                // With the comma in front of it.
                kept.Cut(end, (int)reader.BytesConsumed);
                isCut = true;
                continue;
            }

            // In front of the first member that stays there is none.
            if (isFirst && isCut)
                kept.Cut(end, start);
            isFirst = false;
            if (rule is not null && reader.TokenType == JsonTokenType.StartObject)
                Apply(ref reader, rule, ref kept);
            else
                reader.Skip();
            end = (int)reader.BytesConsumed;
        }
    }

    /// <summary>A line while it becomes shorter.</summary>
    private ref struct Kept(Span<byte> line)
    {
        private readonly Span<byte> line = line;
        private int length;
        private int next;

        /// <param name="start">Not before the last cut's start. Where the last cut goes further, this one begins there.</param>
        public void Cut(int start, int end)
        {
            if (start > next)
                Move(start);
            next = end;
        }

        public int Finish()
        {
            Move(line.Length);
            return length;
        }

        private void Move(int end)
        {
            line[next..end].CopyTo(line[length..]);
            length += end - next;
        }
    }

    /// <summary>A member that rules name, or that has such members.</summary>
    private sealed class Member(byte[] name)
    {
        private readonly List<Member> inner = [];

        private byte[] Name { get; } = name;

        public bool Dropped { get; set; }

        public Member Inner(byte[] name)
        {
            if (Find(name) is { } found)
                return found;
            var added = new Member(name);
            inner.Add(added);
            return added;
        }

        public Member? Find(ReadOnlySpan<byte> name)
        {
            foreach (var member in inner)
            {
                if (name.SequenceEqual(member.Name))
                    return member;
            }

            return null;
        }

        /// <param name="reader">At the name of a member.</param>
        public Member? Find(ref Utf8JsonReader reader)
        {
            foreach (var member in inner)
            {
                if (reader.ValueTextEquals(member.Name))
                    return member;
            }

            return null;
        }
    }
}
