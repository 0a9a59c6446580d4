"""AWS on this machine: one HTTP server that boto3 and the aws command line can be pointed at.

Personalize, Pinpoint and Customer Profiles are ours; S3, SQS, SNS, SSM, EventBridge, DynamoDB,
Secrets Manager, STS and the rest are moto's.
"""
