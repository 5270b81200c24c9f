namespace Azure.Messaging.ServiceBus;

public class ServiceBusMessage
{
    public ServiceBusMessage()
        : this(BinaryData.FromString(""))
    {
    }

    public ServiceBusMessage(string body)
        : this(BinaryData.FromString(body))
    {
    }

    public ServiceBusMessage(ReadOnlyMemory<byte> body)
        : this(BinaryData.FromBytes(body))
    {
    }

    public ServiceBusMessage(BinaryData body)
    {
        ArgumentNullException.ThrowIfNull(body);
        Body = body;
    }

    public BinaryData Body { get; set; }

    public string? MessageId { get; set => field = Checked(value, 128); }

    public string? SessionId { get; set => field = Checked(value, 128); }

    public string? Subject { get; set; }

    public string? ContentType { get; set; }

    public string? CorrelationId { get; set; }

    public TimeSpan TimeToLive { get; set; } = TimeSpan.MaxValue;

    public IDictionary<string, object> ApplicationProperties { get; } = new Dictionary<string, object>(StringComparer.Ordinal);

    private static string? Checked(string? value, int longest) =>
        value is null || value.Length <= longest ? value : throw new ArgumentOutOfRangeException(nameof(value), $"An id is at most {longest} characters.");
}
