using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cdp.Collect;

/// <summary>
/// The names of the members of all objects of one event, to find duplicates in one look each. Hashes are seeded at random, so
/// that no sender can make names collide on purpose.
/// </summary>
internal sealed class NameTable
{
    private const int FirstSize = 256;

    // Odd, with its bits spread evenly: the golden ratio's and the square root of three's fractions.
    private const ulong Multiplier = 0x9e3779b97f4a7c15;
    private const ulong SecondMultiplier = 0xbb67ae8584caa73b;

    private static readonly ulong Seed = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    private readonly List<byte[]> unescaped = [];
    private Entry[] entries = new Entry[FirstSize];
    private int count;

    // Entries of objects before this one are left over from earlier events and count as free.
    private int firstObject = 1;
    private int nextObject = 1;

    /// <summary>Forgets all names.</summary>
    public void Clear()
    {
        if (nextObject > int.MaxValue / 2)
        {
            Array.Clear(entries);
            nextObject = 1;
        }

        firstObject = nextObject;
        count = 0;
        if (unescaped.Count > 0)
            unescaped.Clear();
    }

    /// <summary>Begins another object; names are compared within one.</summary>
    public int OpenObject() => nextObject++;

    /// <summary>False where the object has a member of this name already.</summary>
    /// <param name="text">What <paramref name="start"/> refers to.</param>
    /// <param name="name">The name, unescaped.</param>
    /// <param name="start">Where the name stands in the text, or -1 if it is escaped there.</param>
    public bool TryAdd(ReadOnlySpan<byte> text, int inObject, ReadOnlySpan<byte> name, int start)
    {
        var hash = Hash(name);
        var mask = entries.Length - 1;
        var slot = Slot(hash, inObject) & mask;
        for (; entries[slot].Object >= firstObject; slot = (slot + 1) & mask)
        {
            ref var entry = ref entries[slot];
            if (entry.Object == inObject && entry.Hash == hash && name.SequenceEqual(NameOf(entry, text)))
                return false;
        }

        if (start < 0)
        {
            unescaped.Add(name.ToArray());
            start = -unescaped.Count;
        }

        entries[slot] = new Entry { Hash = hash, Object = inObject, Start = start, Length = name.Length };
        if (++count > entries.Length / 2)
            Grow();
        return true;
    }

    private ReadOnlySpan<byte> NameOf(in Entry entry, ReadOnlySpan<byte> text) =>
        entry.Start >= 0 ? text.Slice(entry.Start, entry.Length) : unescaped[-entry.Start - 1];

    private void Grow()
    {
        var old = entries;
        entries = new Entry[old.Length * 2];
        var mask = entries.Length - 1;
        foreach (var entry in old)
        {
            if (entry.Object < firstObject)
                continue;
            var slot = Slot(entry.Hash, entry.Object) & mask;
            while (entries[slot].Object != 0)
                slot = (slot + 1) & mask;
            entries[slot] = entry;
        }
    }

    private static int Slot(ulong hash, int inObject) => (int)((hash + ((ulong)inObject * Multiplier)) >> 33);

    private static ulong Hash(ReadOnlySpan<byte> name)
    {
        var hash = Seed ^ ((ulong)name.Length * SecondMultiplier);
        for (; name.Length >= sizeof(ulong); name = name[sizeof(ulong)..])
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(name));
        ulong rest = 0;
        foreach (var b in name)
            rest = (rest << 8) | b;
        return Mix(Mix(hash ^ rest) + SecondMultiplier);
    }

    private static ulong Mix(ulong value)
    {
        var high = Math.BigMul(value ^ Seed, Multiplier, out var low);
        return high ^ low;
    }

    private struct Entry
    {
        public ulong Hash;
        public int Object;
        public int Start;
        public int Length;
    }
}
