using Azure.Core;

namespace Azure.Storage.Queues;

public enum QueueMessageEncoding
{
    None = 0,
    Base64 = 1,
}

public class QueueClientOptions(QueueClientOptions.ServiceVersion version = QueueClientOptions.ServiceVersion.V2026_02_06) : ClientOptions
{
    public ServiceVersion Version { get; } = version;

    public QueueMessageEncoding MessageEncoding { get; set; } = QueueMessageEncoding.None;

    internal string VersionString => Version switch
    {
        ServiceVersion.V2026_02_06 => "2026-02-06",
        _ => throw new ArgumentOutOfRangeException(nameof(Version)),
    };

    public enum ServiceVersion
    {
        V2026_02_06 = 29,
    }
}
