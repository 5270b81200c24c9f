using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Azure.Data.Tables;

/// <summary>
/// A dictionary of properties. As in the official type, the keys, the time stamp and the ETag are among them
/// (<c>PartitionKey</c>, <c>RowKey</c>, <c>Timestamp</c>, <c>odata.etag</c>).
/// </summary>
public sealed class TableEntity : ITableEntity, IDictionary<string, object>
{
    internal const string PartitionKeyName = "PartitionKey";
    internal const string RowKeyName = "RowKey";
    internal const string TimestampName = "Timestamp";
    internal const string ETagName = "odata.etag";

    private readonly Dictionary<string, object?> properties;

    public TableEntity()
        : this([])
    {
    }

    public TableEntity(string partitionKey, string rowKey)
        : this([])
    {
        PartitionKey = partitionKey;
        RowKey = rowKey;
    }

    public TableEntity(IDictionary<string, object> values)
        : this(values is null ? [] : new Dictionary<string, object?>(values!))
    {
    }

    internal TableEntity(Dictionary<string, object?> properties) => this.properties = properties;

    public string PartitionKey
    {
        get => GetString(PartitionKeyName)!;
        set => properties[PartitionKeyName] = value;
    }

    public string RowKey
    {
        get => GetString(RowKeyName)!;
        set => properties[RowKeyName] = value;
    }

    public DateTimeOffset? Timestamp
    {
        get => GetValue<DateTimeOffset?>(TimestampName);
        set => properties[TimestampName] = value;
    }

    public ETag ETag
    {
        get => GetString(ETagName) is { } value ? new ETag(value) : default;
        set => properties[ETagName] = value.ToString();
    }

    public int Count => properties.Count;

    public ICollection<string> Keys => properties.Keys;

    ICollection<object> IDictionary<string, object>.Values => properties.Values!;

    bool ICollection<KeyValuePair<string, object>>.IsReadOnly => false;

    internal Dictionary<string, object?> Properties => properties;

    public object this[string key]
    {
        get => properties.GetValueOrDefault(key)!;
        set => properties[key] = value is not null && properties.TryGetValue(key, out var existing) && existing is not null
            ? Coerce(existing, value)
            : value;
    }

    public string? GetString(string key) => GetValue<string>(key);

    public byte[]? GetBinary(string key) => GetValue<byte[]>(key);

    public BinaryData? GetBinaryData(string key) => Get(key) switch
    {
        null => null,
        byte[] bytes => BinaryData.FromBytes(bytes),
        BinaryData data => data,
        var other => throw WrongType(typeof(BinaryData), other),
    };

    public bool? GetBoolean(string key) => GetValue<bool?>(key);

    public DateTime? GetDateTime(string key) => Get(key) switch
    {
        null => null,
        DateTimeOffset offset => offset.UtcDateTime,
        DateTime time => time,
        var other => throw WrongType(typeof(DateTime?), other),
    };

    public DateTimeOffset? GetDateTimeOffset(string key) => Get(key) switch
    {
        null => null,
        DateTimeOffset offset => offset,
        DateTime time => new DateTimeOffset(time),
        var other => throw WrongType(typeof(DateTimeOffset?), other),
    };

    public double? GetDouble(string key) => GetValue<double?>(key);

    public Guid? GetGuid(string key) => GetValue<Guid?>(key);

    public int? GetInt32(string key) => GetValue<int?>(key);

    public long? GetInt64(string key) => GetValue<long?>(key);

    public void Add(string key, object value) => this[key] = value;

    public bool ContainsKey(string key) => properties.ContainsKey(key);

    public bool Remove(string key) => properties.Remove(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out object value) => properties.TryGetValue(key, out value!);

    public void Clear() => properties.Clear();

    void ICollection<KeyValuePair<string, object>>.Add(KeyValuePair<string, object> item) => this[item.Key] = item.Value;

    bool ICollection<KeyValuePair<string, object>>.Contains(KeyValuePair<string, object> item) =>
        properties.TryGetValue(item.Key, out var value) && Equals(value, item.Value);

    void ICollection<KeyValuePair<string, object>>.CopyTo(KeyValuePair<string, object>[] array, int arrayIndex) =>
        ((ICollection<KeyValuePair<string, object>>)properties).CopyTo(array, arrayIndex);

    bool ICollection<KeyValuePair<string, object>>.Remove(KeyValuePair<string, object> item) => properties.Remove(item.Key);

    IEnumerator<KeyValuePair<string, object>> IEnumerable<KeyValuePair<string, object>>.GetEnumerator() =>
        ((IEnumerable<KeyValuePair<string, object>>)properties).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => properties.GetEnumerator();

    private object? Get(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return properties.GetValueOrDefault(key);
    }

    private T? GetValue<T>(string key) => Get(key) switch
    {
        null => default,
        T value => value,
        var other => throw WrongType(typeof(T), other),
    };

    private static InvalidOperationException WrongType(Type requested, object value) =>
        new($"Cannot return {requested} type for a {value.GetType()} typed property.");

    /// <summary>A property keeps its type: an int may widen to the long or double it replaces, anything else is an error.</summary>
    private static object Coerce(object existing, object value)
    {
        if (existing.GetType().IsInstanceOfType(value))
            return value;
        return (existing, value) switch
        {
            (int, double or long) => value,
            (double, int number) => (double)number,
            (long, int number) => (long)number,
            _ => throw new InvalidOperationException(
                $"Value ({existing.GetType()}) {existing} is not convertable to ({value.GetType()}) {value}."),
        };
    }
}
