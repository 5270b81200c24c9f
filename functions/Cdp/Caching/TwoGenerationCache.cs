namespace Cdp.Caching;

/// <summary>
/// A bounded cache that forgets what was not used for a while: entries live in a young and an old generation; a hit in the old one
/// moves to the young one; when the young one is full it becomes the old one, and what was old is dropped. Constant time, one lock.
/// </summary>
/// <param name="capacity">Weight of one generation; at most twice of it is held.</param>
/// <param name="weigh">Weight of an entry; 1 by default.</param>
public sealed class TwoGenerationCache<TKey, TValue>(long capacity, Func<TValue, long>? weigh = null)
    where TKey : notnull
{
    private readonly Lock gate = new();
    private Dictionary<TKey, TValue> young = [];
    private Dictionary<TKey, TValue> old = [];
    private long weight;

    public bool TryGet(TKey key, out TValue value)
    {
        lock (gate)
        {
            if (young.TryGetValue(key, out value!))
                return true;
            if (!old.Remove(key, out value!))
                return false;
            Add(key, value);
            return true;
        }
    }

    public void Set(TKey key, TValue value)
    {
        lock (gate)
        {
            old.Remove(key);
            if (young.Remove(key, out var previous))
                weight -= Weigh(previous);
            Add(key, value);
        }
    }

    public void Remove(TKey key)
    {
        lock (gate)
        {
            old.Remove(key);
            if (young.Remove(key, out var previous))
                weight -= Weigh(previous);
        }
    }

    private void Add(TKey key, TValue value)
    {
        young[key] = value;
        weight += Weigh(value);
        if (weight < capacity)
            return;
        old = young;
        young = [];
        weight = 0;
    }

    private long Weigh(TValue value) => weigh is null ? 1 : weigh(value);
}
